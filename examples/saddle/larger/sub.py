from skitai.saddle import Package
package = Package ()

@package.route ("/hello/<name>")
def hello (was):
  # can build other module's method url
  return was.ab ("index", 1, 2)
