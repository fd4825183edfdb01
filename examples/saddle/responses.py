# README, "Handle Response"; what is closed is kept in closed, to be looked at
from skitai.lib import producers
from skitai.saddle import Saddle
app = Saddle (__name__)

closed = []

class Rows:
  def __init__ (self, name):
    self.name = name
    self.rows = [["1", "one"], ["2", "two"]]

  def close (self):
    closed.append (self.name)

  def pop (self):
    return ','.join (self.rows.pop (0)) + '\n'

class File (Rows):
  def read (self, buffer_size):
    return self.rows and self.pop () or ""

class Iterator (Rows):
  def step (self):
    if not self.rows:
      raise StopIteration
    return self.pop ()

class OldIterator (Iterator):
  next = Iterator.step

class OtherIterator (Iterator):
  _next = Iterator.step

class NewIterator (Iterator):
  __next__ = Iterator.step

class More (Rows):
  def more (self):
    return self.rows and self.pop () or ""

def generate (name = "generator"):
  try:
    for row in Rows (name).rows:
      yield ','.join (row) + '\n'
  finally:
    closed.append (name)

@app.route ("/hello")
def hello (was):
  was.response ["Content-Type"] = "text/plain"
  was.response.set_status ("200 OK") # default value
  return "Hello"

@app.route ("/error")
def error (was):
  was.response.send_error ("500 Server Error", why = "It's not my fault")
  return "" # should null string/bytes after call send_error ()

@app.route ("/video")
def video (was):
  was.response ["Content-Type"] = "video/mp4"
  return open (__file__, "rb")

@app.route ("/csv")
def csv (was):
  was.response ["Content-Type"] = "text/csv"
  return generate ()

# Available return types
TYPES = {
  "string": lambda: "1,one\n2,two\n",
  "bytes": lambda: b"1,one\n2,two\n",
  "unicode": lambda: u"\ud558\ub098\n",
  "file-like": lambda: File ("file-like"),
  "generator": generate,
  "next": lambda: OldIterator ("next"),
  "_next": lambda: OtherIterator ("_next"),
  "__next__": lambda: NewIterator ("__next__"),
  "more": lambda: More ("more"),
  "simple_producer": lambda: producers.simple_producer ("1,one\n2,two\n"),
  "iter_producer": lambda: producers.iter_producer (generate ("iter_producer")),
  "list_producer": lambda: producers.list_producer (["1,one\n", "2,two\n"]),
  "lines_producer": lambda: producers.lines_producer (["1,one", "2,two"]),
  "file_producer": lambda: producers.file_producer (File ("file_producer")),
  "composite_producer": lambda: producers.composite_producer ([producers.file_producer (File ("composite_producer"))]),
  "globbing_producer": lambda: producers.globbing_producer (producers.file_producer (File ("globbing_producer"))),
  "hooked_producer": lambda: producers.hooked_producer (producers.file_producer (File ("hooked_producer")), closed.append),
  "list": lambda: ["# rows\n", b"#\n", File ("list 1"), More ("list 2"), generate ("list 3"), OldIterator ("list 4")],
  "tuple": lambda: (File ("tuple 1"), producers.simple_producer ("#\n"))
}

@app.route ("/types/<path>")
def types (was, path):
  was.response ["Content-Type"] = "text/plain"
  return TYPES [path] ()

@app.route ("/endless")
def endless (was):
  class Endless (More):
    def more (self):
      return "x" * 65536
  return Endless ("endless")

@app.route ("/closed")
def show_closed (was):
  taken = closed [:]
  del closed [:]
  return {"closed": taken}
