# README, "Chained Execution", the other kind of method group
from skitai.saddle import Saddle
app = Saddle (__name__)
app.use_reloader = True

class SomeClass:
  def __init__ (self):
    self.resets = 0

  def reset (self):
    self.resets += 1

  def close (self):
    print ("myobject is closed after %d resets" % self.resets)

@app.startup
def startup (wasc, app):
  object = SomeClass ()
  wasc.registerObject ("myobject", object)

@app.onreload
def onreload (wasc, app):
  wasc.myobject.reset ()

@app.shutdown
def shutdown (wasc, app):
  wasc.myobject.close ()

@app.route ("/")
def index (was):
  return "%d resets" % was.myobject.resets
