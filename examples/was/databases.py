# README, "PostgreSQL Map-Reducing"
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.route ("/query")
def query (was, keyword = ""):
  s = was.db.map ("@mydb")
  s.execute("SELECT * FROM CITIES;")

  results = s.getswait (timeout = 2)
  all_results = []
  for result in results:
    if result.status == 3:
      all_results.append (result.data)
  return all_results

@app.route ("/one")
def one (was, server, database, user, password):
  s = was.db (server, database, user, password)
  s.execute ("SELECT name FROM cities ORDER BY name LIMIT 1")
  return s.getwait (2).data

@app.route ("/lb")
def lb (was):
  s = was.db.lb ("@mydb")
  s.execute ("SELECT count(*) AS cities FROM cities")
  return s.getwait (2).data

@app.route ("/move", methods = ["POST"])
def move (was, name, shard):
  with was.db ("@single").begin () as tx:
    tx.execute ("DELETE FROM cities WHERE name = %s", (name,))
    tx.execute ("INSERT INTO cities VALUES (%s, %s)", (name, int (shard)))
  return "moved"
