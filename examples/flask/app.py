"""Says who it is over HTTP."""

import os
import pwd

from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/")
def hello():
    return jsonify(greeting="hello from masu", user=pwd.getpwuid(os.getuid()).pw_name, directory=os.getcwd())


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
