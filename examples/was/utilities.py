# README, "Other Utility Service"
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.route ("/status")
def status (was):
  return was.status ()

@app.route ("/json")
def json (was):
  return was.tojson (was.fromjson ('{"keyword": "Mozart"}'))

@app.route ("/xml")
def xml (was):
  parameters, method = was.fromxml (was.toxml (("Mozart", 10)))
  return "%s %d" % parameters
