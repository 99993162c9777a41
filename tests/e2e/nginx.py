"""A real nginx with a directory of files, and places that serve the same files differently."""
import socket
import subprocess
import time
from pathlib import Path

CONFIG = """
daemon off;
master_process off;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format ranges "$connection $status $body_bytes_sent $uri $http_range";
  access_log {dir}/access.log ranges;
  client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
  uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
  default_type application/octet-stream;
  sendfile on;
  keepalive_requests 100000;
  server {{
    listen {address}:{port};
    root {dir}/www;
    location /noranges/ {{ alias {dir}/www/; max_ranges 0; }}
    location /nolength/ {{ alias {dir}/www/; sub_filter_types *; sub_filter "not in it" ""; }}
    location /slow/ {{ alias {dir}/www/; limit_rate 400k; }}
    location /fast/ {{ alias {dir}/www/; limit_rate 16m; }}
    location /busy/ {{ add_header Retry-After 1 always; return 503; }}
    location /to-here/ {{ rewrite ^/to-here(/.*)$ $1 redirect; }}
    location /limited/ {{ alias {dir}/www/; limit_rate 2m; }}
    location /to-other/ {{ rewrite ^/to-other(/.*)$ http://localhost:{port}$1 redirect; }}
    location /secret/ {{ if ($http_x_token != "open") {{ return 403; }} alias {dir}/www/; }}
  }}
}}
"""


class Nginx:
    """Serves `www`; ended with stop(). `namespace`: the network namespace it runs in, which has `address`."""

    def __init__(self, directory, address="127.0.0.1", namespace=None):
        self.directory = Path(directory)
        self.address = address
        self._prefix = ["ip", "netns", "exec", namespace] if namespace else []
        self.www = self.directory / "www"
        for each in (self.www, self.directory / "tmp"):
            each.mkdir(parents=True)
        self._process = None
        if namespace:  # nobody else is there
            self.port = 8080
            if not self._start():
                raise AssertionError(f"nginx does not start: {(self.directory / 'error.log').read_text()}")
            return
        for _ in range(5):  # somebody may take the port between our look and nginx's
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            if self._start():
                return
        raise AssertionError(f"nginx does not start: {(self.directory / 'error.log').read_text()}")

    def _start(self):
        config = self.directory / "nginx.conf"
        config.write_text(CONFIG.format(dir=self.directory, address=self.address, port=self.port))
        command = [*self._prefix, "/usr/sbin/nginx", "-e", str(self.directory / "error.log"), "-p", str(self.directory),
                   "-c", str(config)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._prefix:
                if (self.directory / "pid").exists():
                    return True
                time.sleep(0.02)
                continue
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                time.sleep(0.02)
        return False

    @property
    def origin(self):
        return f"http://{self.address}:{self.port}"

    def url(self, path):
        return f"{self.origin}/{path}"

    def requests(self):
        """Of each request: connection, status, bytes sent, path, range ("-" if it had none)."""
        return [line.split(" ", 4) for line in (self.directory / "access.log").read_text().splitlines()]

    def connections(self):
        """How many are open now, on this machine."""
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(f":{self.port:04X}") and row[3] == "01" for row in rows)

    def sent_bytes(self, path):
        return sum(int(request[2]) for request in self.requests() if request[3] == path)

    def stop(self):
        self._process.terminate()
        self._process.wait(10)
