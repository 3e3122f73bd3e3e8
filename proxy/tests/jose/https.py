"""Publishes a key set by HTTPS, under a certificate of an authority that it makes for itself.

Usage: https.py PORT KEY_SET_FILE AUTHORITY_FILE (written, PEM) KEY_FILE (written, PEM)
"""

import datetime
import http.server
import ipaddress
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

port, key_set_file, authority_file, key_file = sys.argv[1:]
with open(key_set_file, "rb") as file:
    key_set = file.read()
now = datetime.datetime.now(datetime.timezone.utc)


def certificate(name, key, issuer, issuer_key, extension):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(extension, critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256())


authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
authority = certificate("an authority", authority_key, None, authority_key, x509.BasicConstraints(ca=True, path_length=0))
names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
own = certificate("127.0.0.1", key, authority.subject, authority_key, names)
pem = serialization.Encoding.PEM
with open(key_file, "wb") as file:
    file.write(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + own.public_bytes(pem))
with open(authority_file, "wb") as file:
    file.write(authority.public_bytes(pem))


class Keys(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(key_set)))
        self.end_headers()
        self.wfile.write(key_set)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(key_file)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Keys)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
