# what the others of this folder ask: a member of a cluster, with procedures and something that shows requests
import skitai
from skitai.saddle import Saddle
app = Saddle (__name__)

WORKS = {"Mozart": ["Requiem", "Don Giovanni"], "Bach": ["Chaconne"]}

def is_prime (number):
  return number > 1 and all (number % each for each in range (2, int (number ** .5) + 1))

@app.route ("/search")
def search (was, keyword):
  return WORKS.get (keyword, [])

@app.route ("/get_prime_number_gt")
def get_prime_number_gt (was, number):
  while 1:
    number += 1
    if is_prime (number):
      return number

@app.route ("/whoami")
def whoami (was):
  return was.request.get_header ("authorization", "nobody")

@app.route ("/show", methods = ["GET", "POST", "PUT", "DELETE"])
def show (was, **form):
  kind = (was.request.get_header ("content-type") or "-").split (";") [0]
  return "%s %s %s %s" % (
    was.request.command, kind, ",".join (sorted (form)) or "-", was.request.get_header ("authorization", "nobody")
  )

@app.route ("/websocket/echo")
def echo (was, message = ""):
  if "websocket_init" in was.env:
    was.env ["websocket_init"] = (skitai.WEBSOCKET_REQDATA, 60, "message")
    return ""
  return message
