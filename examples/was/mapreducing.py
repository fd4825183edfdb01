# README, "Map-Reducing"
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.route ("/search")
def search (was, keyword = "Mozart"):
  s = was.rpc.map ("@mysearch/rpc2")
  s.search (keyword)
  results = s.getswait (2)

  all_results = []
  for result in results:
     all_results.extend (result.data)
  return all_results
