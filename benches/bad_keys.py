"""Well-formed API keys for a benchmark: kind, key and public id, a hundred of each kind."""
import secrets, string, zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase


def characters(count):
    return "".join(secrets.choice(ALPHABET) for _ in range(count))


def key(public_id):
    text = "sk_live_" + public_id + characters(43)
    rest, checksum = zlib.crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        checksum = ALPHABET[digit] + checksum
    return text + checksum


for _ in range(100):
    for kind in "unknown", "live", "revoked":
        public_id = characters(17)
        print(kind, key(public_id), public_id, sep=",")
        if kind == "live":
            print("secret", key(public_id), public_id, sep=",")
