# README, "Getting Form Parameters"; the second sample with a path of its own
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.route ("/hello")
def hello (was, **form):
  return "Post %s %s" % (form.get ("userid", ""), form.get ("comment", ""))

@app.route ("/hello-world")
def hello_world (was, userid, **form):
  return "Post %s %s" % (userid, form.get ("comment", ""))
