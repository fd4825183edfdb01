# README, "File Upload"; into the folder that UPLOADS names
import os
from skitai.saddle import Saddle
app = Saddle (__name__)

FOLDER = os.environ ["UPLOADS"]

FORM = """
  <form enctype="multipart/form-data" method="post">
  <input type="hidden" name="submit-hidden" value="Genious">
  <p></p>What is your name? <input type="text" name="submit-name" value="Hans Roh"></p>
  <p></p>What files are you sending? <br />
  <input type="file" name="file">
  </p>
  <input type="submit" value="Send">
  <input type="reset">
</form>
"""

@app.route ("/upload")
def upload (was, **form):
  if was.request.command == "get":
    return FORM
  else:
    file = form.get ("file")
    if file:
      file.save (FOLDER, dup = "o") # overwrite
    return "%s %s" % (form ["submit-hidden"], form ["submit-name"])

@app.route ("/attributes")
def attributes (was, file):
  told = {
    "file": file.file, # temporary saved file full path
    "name": file.name, # original file name posted
    "size": file.size,
    "mimetype": file.mimetype
  }
  file.remove ()
  told ["removed"] = not os.path.isfile (told ["file"])
  return told

@app.route ("/save")
def save (was, file, name = None, mkdir: bool = False, dup = "u"):
  file.save (os.path.join (FOLDER, "kept"), name, mkdir, dup)
  return file.file
