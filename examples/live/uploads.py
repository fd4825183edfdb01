"""An upload: read in pieces, kept in a temporary file, gone when the request is over."""

import hashlib

from skitai.saddle import Package, UploadedFile

from .page import has, needs, page, table

package = Package()

LEAD = """A file goes to the disk while it comes, whatever its size; the function is called when all of
it is there. This one keeps nothing: it reads what came, in pieces, and forgets it."""

FORM = """<form method="post" enctype="multipart/form-data">
<label class="whole">Files <input type="file" name="file" multiple required></label>
<button>Upload</button>
</form>"""


def checksum(file):
    digest = hashlib.sha256()
    while piece := file.read(65536):
        digest.update(piece)
    return digest.hexdigest()


@package.route("/upload", methods=["GET"])
def upload(was):
    return page(was, __file__, "Upload", LEAD, FORM if has("multipart") else needs("multipart", "forms"))


@package.route("/upload", methods=["POST"])
def uploaded(was, file: list[UploadedFile]):
    rows = [(each.name, each.size, each.mimetype, checksum(each)[:16] + "…") for each in file]
    shown = table(["name, as the client called it", "bytes", "type", "SHA-256"], rows)
    return page(was, __file__, "Upload", LEAD, FORM, "<h2>What came</h2>", shown)
