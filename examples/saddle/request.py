# README, "Access Request"
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.route ("/show")
def show (was, **form):
  return {
    "header": was.request.get_header ("content-type"), # case insensitive
    "headers": was.request.get_header (), # retrun header all list
    "command": was.request.command, # lower case get, post, put, ...
    "version": was.request.version, # HTTP Version, 1.0, 1.1
    "uri": was.request.uri,
    "body": was.request.get_body ().decode ("utf8"),
    "remote_addr": was.request.get_remote_addr (),
    "user_agent": was.request.get_user_agent ()
  }
