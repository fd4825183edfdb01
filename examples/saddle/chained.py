# README, "Chained Execution"; what happens is kept in steps, to be looked at
from skitai.saddle import Saddle, EVOK, EVEXCEPT, EVREQEND
app = Saddle (__name__)

steps = []

class Resource:
  def close (self):
    steps.append ("closed")

@app.before_request
def before_request (was):
  if was.request.get_header ("X-Login") is None:
    was.temp.resouce = Resource ()
    return "Not Authorized"

@app.after_request
def after_request (was):
  steps.append ("after %s %s" % (was.temp.user_id, was.temp.user_status))

@app.failed_request
def failed_request (was):
  steps.append ("failed %s %s" % (was.temp.user_id, was.temp.user_status))

@app.teardown_request
def teardown_request (was):
  was.temp.resouce.close ()

@app.route ("/view-account")
def view_account (was, userid):
  def handle_ok (was):
    steps.append ("ok %s" % was.temp.user_id)

  def handle_except (was):
    steps.append ("except %s" % was.temp.user_id)

  def handle_end (was):
    steps.append ("end %s" % was.temp.user_id)

  was.temp.bind (EVOK, handle_ok)
  was.temp.bind (EVEXCEPT, handle_except)
  was.temp.bind (EVREQEND, handle_end)

  was.temp.user_id = "jerry"
  was.temp.user_status = "active"
  was.temp.resouce = Resource ()

  if userid != "jerry":
    raise KeyError (userid)
  return "account of %s" % userid

@app.route ("/steps")
def show_steps (was):
  was.temp.resouce = Resource ()
  was.temp.user_id = was.temp.user_status = "-"
  taken = ", ".join (steps)
  del steps [:]
  return taken
