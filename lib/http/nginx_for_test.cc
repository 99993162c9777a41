#include "http/nginx_for_test.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "http/server_for_test.h"

namespace blobd::http {
namespace {

sockaddr_in AddressOf(const std::string& ip, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  BLOBD_CHECK(inet_pton(AF_INET, ip.c_str(), &address.sin_addr) == 1);
  return address;
}

uint16_t FreePort(const std::string& ip) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = AddressOf(ip, 0);
  socklen_t size = sizeof address;
  BLOBD_CHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  BLOBD_CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(fd);
  return ntohs(address.sin_port);
}

bool Answers(const std::string& ip, uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = AddressOf(ip, port);
  const bool answers =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return answers;
}

// -1 if it cannot be started.
pid_t Spawn(std::vector<std::string> command) {
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  return posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ) == 0 ? pid : -1;
}

bool RunCommand(const std::vector<std::string>& command) {
  const pid_t pid = Spawn(command);
  int status = -1;
  return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

}  // namespace

Nginx::Nginx(const std::string& ip) : ip_(ip) {
  std::string pattern = (std::filesystem::temp_directory_path() / "blobd-nginx-XXXXXX").string();
  BLOBD_CHECK(mkdtemp(pattern.data()) != nullptr);
  dir_ = pattern;
  for (const char* name : {"www", "tmp"}) std::filesystem::create_directory(dir_ / name);
  EXPECT_TRUE(MakeCertificates()) << "openssl is missing: tests/install-deps --tests";
  // Somebody may take a port between our look and nginx's.
  for (int i = 0; i < 5 && !running(); ++i) {
    http_port_ = FreePort(ip_);
    https_port_ = FreePort(ip_);
    WriteConfig();
    if (!Start()) pid_ = -1;
  }
  EXPECT_TRUE(running()) << "nginx does not start: tests/install-deps --tests installs it";
}

Nginx::~Nginx() {
  if (running()) {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

bool Nginx::MakeCertificates() const {
  const std::string dir = dir_.string();
  const std::vector<std::string> key = {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                                        "-nodes"};
  std::vector<std::string> ca = {
      "openssl",           "req",     "-x509",         "-batch", "-days",        "2", "-subj",
      "/CN=blobd-test-ca", "-keyout", dir + "/ca.key", "-out",   dir + "/ca.pem"};
  ca.insert(ca.end(), key.begin(), key.end());
  std::vector<std::string> own = {"openssl", "req",
                                  "-x509",   "-batch",
                                  "-days",   "2",
                                  "-subj",   "/CN=blobd-test",
                                  "-CA",     dir + "/ca.pem",
                                  "-CAkey",  dir + "/ca.key",
                                  "-addext", fmt::format("subjectAltName=IP:{}", ip_),
                                  "-addext", "basicConstraints=critical,CA:FALSE",
                                  "-keyout", dir + "/own.key",
                                  "-out",    dir + "/own.pem"};
  own.insert(own.end(), key.begin(), key.end());
  // What it says about its progress is nobody's interest.
  const auto quietly = [](const std::vector<std::string>& command) {
    std::vector<std::string> shell = {"sh", "-c", R"("$@" >/dev/null 2>&1)", "sh"};
    shell.insert(shell.end(), command.begin(), command.end());
    return RunCommand(shell);
  };
  return quietly(ca) && quietly(own);
}

void Nginx::WriteConfig() const {
  std::ofstream out(dir_ / "nginx.conf");
  out << fmt::format(R"(
daemon off;
master_process off;
pid {0}/pid;
error_log {0}/error.log;
events {{ worker_connections 256; }}
http {{
  log_format by_connection "$connection $server_protocol";
  access_log {0}/access.log by_connection;
  client_body_temp_path {0}/tmp; proxy_temp_path {0}/tmp; fastcgi_temp_path {0}/tmp;
  uwsgi_temp_path {0}/tmp; scgi_temp_path {0}/tmp;
  default_type application/octet-stream;
  sendfile on;
  keepalive_requests 100000;
  server {{
    listen {1}:{2};
    listen {1}:{3} ssl http2;
    ssl_certificate {0}/own.pem;
    ssl_certificate_key {0}/own.key;
    root {0}/www;
    location /noranges/ {{ alias {0}/www/; max_ranges 0; }}
    location /nolength/ {{ alias {0}/www/; sub_filter_types *; sub_filter "not in it" ""; }}
    location /gzipped/ {{ alias {0}/www/; gzip_static always; }}
    location /busy/ {{ add_header Retry-After 7 always; return 503; }}
    location /to-http/ {{ rewrite ^/to-http(/.*)$ http://{1}:{2}$1 redirect; }}
    location /to-here/ {{ rewrite ^/to-here(/.*)$ $1 redirect; }}
  }}
}}
)",
                     dir_.string(), ip_, http_port_, https_port_);
}

bool Nginx::Start() {
  const char* path = access("/usr/sbin/nginx", X_OK) == 0 ? "/usr/sbin/nginx" : "nginx";
  const std::string dir = dir_.string();
  pid_ = Spawn({path, "-e", dir + "/error.log", "-p", dir, "-c", dir + "/nginx.conf"});
  if (pid_ < 0) return false;
  for (int i = 0; i < 500; ++i) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) return false;
    if (Answers(ip_, https_port_)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

void Nginx::Write(const std::string& name, uint64_t size, uint64_t shift) {
  constexpr uint64_t kPiece = 1 << 20;
  const std::filesystem::path beside = dir_ / "www" / (name + ".new");
  {
    std::ofstream out(beside, std::ios::binary);
    for (uint64_t at = 0; at < size; at += kPiece) {
      out << Pattern(shift + at, shift + std::min(at + kPiece, size));
    }
  }
  std::filesystem::rename(beside, dir_ / "www" / name);
}

std::string Nginx::Http(std::string_view path) const {
  return fmt::format("http://{}:{}{}", ip_, http_port_, path);
}

std::string Nginx::Https(std::string_view path) const {
  return fmt::format("https://{}:{}{}", ip_, https_port_, path);
}

size_t Nginx::ConnectionsOver(std::string_view protocol) const {
  std::ifstream log(dir_ / "access.log");
  std::set<std::string> connections;
  std::string connection;
  std::string spoken;
  while (log >> connection >> spoken) {
    if (spoken == protocol) connections.insert(connection);
  }
  return connections.size();
}

}  // namespace blobd::http
