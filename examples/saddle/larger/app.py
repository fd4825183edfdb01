# README, "Packaging for Larger App"
from skitai.saddle import Saddle
from . import sub

app = Saddle (__name__)
app.debug = True
app.use_reloader = True

app.add_package (sub, "package")

@app.route ("/")
def index (was, num1, num2):
  return was.ab ("hello", "Hans Roh") # url building
