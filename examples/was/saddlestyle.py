# README, "Simple HTTP Request": Skitai-Saddle style; then its post, upload and XMLRPC
import os
from skitai.saddle import Saddle
app = Saddle (__name__)

LOGO = os.path.join (os.path.dirname (__file__), os.pardir, "static", "skitai.svg")

@app.route ("/get")
def get (was, url = "http://www.python.org"):
  s = was.get (url)
  result = s.getwait (5) # timeout
  return result.data

@app.route ("/post")
def post (was, url):
  s1 = was.post (url, {"user": "Hans Roh", "comment": "Hello"})
  s2 = was.upload (url, {"user": "Hans Roh", "file": open (LOGO, "rb")})

  result = s1.getwait (5)
  yield result.data
  result = s2.getwait (5)
  yield result.data

@app.route ("/prime")
def prime (was, url):
  s = was.rpc (url)
  s.get_prime_number_gt (10000)
  result = s.getwait (5)
  return result.data
