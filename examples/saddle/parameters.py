# README, "Getting URL Parameters" and "Access Environment Variables"
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.route ("/hello")
def hello_world (was, num = 8):
  return num
# http://127.0.0.1:5000/hello?num=100

@app.route ("/hello/<int:num>")
def hello_world (was, num = 8):
  return str (num)
  # http://127.0.0.1:5000/hello/100

@app.route ("/download/<int:major_ver>/<path>")
def download (was, major_ver, path):
  return "%d %s" % (major_ver, path)
  # http://127.0.0.1:5000/download/1/version/1.1/win32

@app.route ("/environ")
def environ (was):
  assert "REQUEST_METHOD" in was.env.keys ()
  return was.env.get ("CONTENT_TYPE") or "no content type"
