# README, "Avaliable methods are", each with auth where it has one, alone, with .lb and with .map
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.route ("/one")
def one (was, url, username, password):
  data = {"user": "Hans Roh"}
  calls = [
    was.get (url, auth = (username, password)),
    was.post (url, data = data, auth = (username, password)),
    was.put (url, data = data, auth = (username, password)),
    was.delete (url),
    was.upload (url, data, auth = (username, password)) # For clarity to multipart POST
  ]
  return [call.getwait (5).data + b"\n" for call in calls]

@app.route ("/rpc")
def rpc (was, url, username, password):
  s = was.rpc (url, auth = (username, password)) # XMLRPC
  s.whoami ()
  return s.getwait (5).data

@app.route ("/lb")
def lb (was, username, password):
  data = {"user": "Hans Roh"}
  uri = "@mysearch/show"
  calls = [
    was.get.lb (uri, auth = (username, password)),
    was.post.lb (uri, data = data, auth = (username, password)),
    was.put.lb (uri, data = data, auth = (username, password)),
    was.delete.lb (uri),
    was.upload.lb (uri, data, auth = (username, password))
  ]
  return [call.getwait (5).data + b"\n" for call in calls]

@app.route ("/map")
def map (was, username, password):
  data = {"user": "Hans Roh"}
  uri = "@mysearch/show"
  calls = [
    was.get.map (uri, auth = (username, password)),
    was.post.map (uri, data = data, auth = (username, password)),
    was.put.map (uri, data = data, auth = (username, password)),
    was.delete.map (uri),
    was.upload.map (uri, data, auth = (username, password))
  ]
  return [result.data + b"\n" for call in calls for result in call.getswait (2)]

# If the cluster has one member only, was.get.lb ("@mydb") is equal to was.get ("@mydb").
@app.route ("/single")
def single (was):
  return [was.get.lb ("@single/show").getwait (5).data, b"\n", was.get ("@single/show").getwait (5).data]
