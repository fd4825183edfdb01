# README, "Access App & Jinja Templates", with "Debugging"
import os
from skitai.saddle import Saddle

app = Saddle (__name__)
app.debug = "DEBUG" in os.environ # output exception information
app.use_reloader = True # auto realod on file changed

@app.route ("/")
def index (was, name = "Hans Roh"):
  if was.app.debug:
    template = was.app.get_template ("index-debug.html") # getting Jinja template
  else:
    template = was.app.get_template ("index.html") # getting Jinja template
  return template.render (name = name)

@app.route ("/fail")
def fail (was):
  raise KeyError ("<fail>")
