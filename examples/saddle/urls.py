# README, "Building URL"
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.route ("/add")
def add (was, num1, num2):
  return int (num1) + int (num2)

@app.route ("/hello/<name>")
def hello (was, name = "Hans Roh"):
  return "Hello, %s" % name

@app.route ("/")
def index (was):
  return "\n".join ([
    was.app.build_url ("add", 10, 40), # returned '/add?num1=10&num2=40'
    # BUT it's too long to use practically,
    # was.ab is acronym for was.app.build_url
    was.ab ("add", 10, 40), # returned '/add?num1=10&num2=40'
    was.ab ("add", 10, num2=60), # returned '/add?num1=10&num2=60'
    was.ab ("hello", "Your Name") # returned '/hello/Your_Name'
  ])
