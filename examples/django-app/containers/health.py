"""Whether the app answers, for the engine's health check. It asks for the proxy's signature, so a refusal is a sign of life."""

import http.client
import sys

connection = http.client.HTTPConnection("127.0.0.1", 8084, timeout=2)
connection.request("GET", "/")
sys.exit(connection.getresponse().status >= 500)
