# README, "Simple HTTP Request": Flask style
from flask import Flask, request
from skitai import was

app = Flask (__name__)
@app.route ("/get")
def get ():
  url = request.args.get('url', 'http://www.python.org')
  s = was.get (url)
  result = s.getwait (5) # timeout
  return result.data
