# README, "Access Cookie"
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.route ("/")
def index (was):
  if was.cookie.get ("user_id") is None:
    was.cookie.set ("user_id", "hansroh")
    return "nobody yet"
  return was.cookie.get ("user_id")

@app.route ("/show")
def show (was):
  return [list (was.cookie.keys ()), list (was.cookie.values ()), list (map (list, was.cookie.items ()))]

@app.route ("/set")
def set_cookie (was, key, val):
  was.cookie.set (key, val)
  return was.cookie.get (key)

@app.route ("/remove")
def remove (was, key):
  was.cookie.remove (key)
  return "%s" % was.cookie.get (key)

@app.route ("/clear")
def clear (was):
  was.cookie.clear ()
  return "%d left" % len (list (was.cookie.keys ()))
