"""nginx with a directory of files, over plain HTTP and over HTTPS with a certificate of its own."""
import subprocess
import time
from pathlib import Path

HTTP_PORT, HTTPS_PORT = 18080, 18443
CONFIG = """
daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000; default_type application/octet-stream;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  server {{
    listen {host}:{http}; listen {host}:{https} ssl; root {www};
    ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem; ssl_protocols TLSv1.3;
  }}
}}
"""


class Web:
    """Serves the directory `www` on `host`, in the namespace it is in; ended with close()."""

    def __init__(self, directory, www, host="127.0.0.1", namespace=None):
        self.host = host
        self.certificate = Path(directory) / "cert.pem"
        # The files must be readable for nginx's worker.
        for each in (directory, directory.parent, www):
            each.chmod(0o755)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", str(directory / "key.pem"), "-out", str(self.certificate), "-days", "2", "-subj", "/CN=bench",
             "-addext", f"subjectAltName=IP:{host}"], check=True, capture_output=True)
        config = directory / "nginx.conf"
        config.write_text(CONFIG.format(dir=directory, www=www, host=host, http=HTTP_PORT, https=HTTPS_PORT))
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        self._process = subprocess.Popen([*prefix, "nginx", "-c", str(config), "-p", str(directory)],
                                         stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not (directory / "nginx.pid").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx does not start: {(directory / 'nginx.log').read_text()}")
            time.sleep(0.02)

    def http(self, path):
        return f"http://{self.host}:{HTTP_PORT}/{path}"

    def https(self, path):
        return f"https://{self.host}:{HTTPS_PORT}/{path}"

    def close(self):
        self._process.terminate()
        self._process.wait(10)
