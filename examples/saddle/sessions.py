# README, "Access Session"
from skitai.saddle import Saddle
app = Saddle (__name__)

app.securekey = "ds8fdsflksdjf9879dsf;?<>Asda"
app.session_timeout = 1200 # sec

@app.route ("/session")
def hello_world (was, **form):
  if was.session.get ("login") is None:
    was.session.set ("user_id", form.get ("hansroh"))
  return "%s" % was.session.get ("user_id")

@app.route ("/login")
def login (was):
  was.session.set ("login", True)
  return "welcome"

@app.route ("/show")
def show (was):
  return [list (was.session.keys ()), list (was.session.values ()), list (map (list, was.session.items ()))]

@app.route ("/remove")
def remove (was, key):
  was.session.remove (key)
  return "%s" % was.session.get (key)

@app.route ("/clear")
def clear (was):
  was.session.clear ()
  return "%d left" % len (list (was.session.keys ()))
