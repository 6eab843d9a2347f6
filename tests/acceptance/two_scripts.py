"""Two customers, one whose script decides at once and one whose waits a minute."""

SCRIPTS = {
    "same": "function main(data) { return data }",
    "never": "const main = () => new Promise((done) => setTimeout(done, 60000))",
}


ASSIGNMENTS = """
[[script]]
file = "never.js"
kind = "app"
[[route]]
customer = "never"
script = "never"
[[route]]
customer = "same"
script = "same"
"""
