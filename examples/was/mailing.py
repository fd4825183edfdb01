# README, "Sending e-Mails".  skitaid-smtpda delivers: skitaid-smtpda -v --smtpserver mail.example.com
import os
from skitai.saddle import Saddle
app = Saddle (__name__)

PICTURE = os.path.join (os.path.dirname (__file__), os.pardir, "static", "skitai.svg")

@app.route ("/send")
def send (was, subject, snd, rcpt):
  # email delivery service
  e = was.email (subject, snd, rcpt)
  e.add_text ("Hello World<div><img src='cid:ID_A'></div>", "text/html")
  e.add_attachment (PICTURE, cid="ID_A")
  return e.send ()

@app.route ("/send-by")
def send_by (was, subject, snd, rcpt, server):
  e = was.email (subject, snd, rcpt)
  e.set_smtp (server, "username", "password", ssl = True, verify = False)
  e.add_text ("Hello World<div><img src='cid:ID_A'></div>", "text/html")
  e.add_attachment (PICTURE, cid="ID_A")
  return e.send ()
