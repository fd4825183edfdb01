# README, "Using WWW-Authenticate"
from skitai.saddle import Saddle
app = Saddle (__name__)

app.authorization = "digest"
app.realm = "Partner App Area of mysite.com"
app.user = "app"
app.password = "iamyourpartnerapp"

@app.route ("/hello/<name>")
def hello (was, name = "Hans Roh"):
  return "Hello, %s" % name
