# README, "Implementing XMLRPC Service": the client side
import sys
import xmlrpc.client as rpc

s = rpc.Server (sys.argv [1]) # RPC App mount point, as http://127.0.0.1:5000/rpc
result = s.add (10000, 5000)
print (result)
