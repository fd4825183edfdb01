# from skitai import was, in a program without a server: what its arguments name is asked, all at once
import sys
from skitai import was

calls = [was.get (url) for url in sys.argv [1:]]
for s in calls:
  result = s.getwait (5)
  print (result.status, result.code, result.data and len (result.data))
