# README, "Load-Balancing"; what it calls results in one line it calls result in the next
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.route ("/search")
def search (was, keyword = "Mozart"):
  s = was.rpc.lb ("@mysearch/rpc2")
  s.search (keyword)
  result = s.getwait (5)
  return result.data
