from skitai.saddle import Saddle
app = Saddle (__name__)

@app.route('/')
def index (was):
  return "Hello World"
