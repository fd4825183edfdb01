# README, "HTML5 Web Socket": was.ws, as it is used like an HTTP request; then .lb, .map and .connect
import json
from skitai.saddle import Saddle
app = Saddle (__name__)

QUERY = json.dumps ({"keyword": "snowboard binding"})

@app.route ("/query")
def query (was, url = "ws://192.168.1.100:5000/websocket/echo"):
  s = was.ws (
    url,
    QUERY
  )
  rs = s.getwait ()
  result = json.loads (rs.data)
  return result

@app.route ("/say")
def say (was, url, message):
  s = was.ws (url, message, timeout = 5)
  return s.getwait ().data

@app.route ("/lb")
def lb (was):
  s = was.ws.lb ("@mysearch/websocket/echo", QUERY)
  return json.loads (s.getwait (5).data)

@app.route ("/map")
def map (was):
  s = was.ws.map ("@mysearch/websocket/echo", QUERY)
  return [json.loads (rs.data) for rs in s.getswait (5)]

@app.route ("/talk")
def talk (was, url, words):
  said = []
  with was.ws.connect (url) as ws:
    for word in words.split ():
      ws.send (word)
      said.extend (ws.getswait (5) or [])
  return "\n".join (said)
