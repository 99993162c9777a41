// A real nginx on this machine with files of the pattern, HTTP/1.1 and, with a certificate of a CA
// made for it, HTTP/2 over TLS.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace blobd::http {

class Nginx {
 public:
  // Serves the files that Write makes. Fails the test if there is no nginx.
  // `ip` is one of this machine.
  explicit Nginx(const std::string& ip = "127.0.0.1");
  ~Nginx();
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;

  bool running() const { return pid_ > 0; }
  // A file of the pattern, `shift` bytes into it; one that is there is replaced.
  void Write(const std::string& name, uint64_t size, uint64_t shift = 0);
  // "http://ip:port/name" and "https://ip:port/name". Names are those of files; before them may
  // stand one of /noranges, /nolength, /gzipped, /busy, /to-http (see the configuration).
  std::string Http(std::string_view path) const;
  std::string Https(std::string_view path) const;
  // The CA that has signed its certificate.
  std::string ca_file() const { return (dir_ / "ca.pem").string(); }
  // How many connections it has taken, and with which protocol requests came.
  size_t ConnectionsOver(std::string_view protocol) const;

 private:
  bool MakeCertificates() const;
  void WriteConfig() const;
  bool Start();

  std::filesystem::path dir_;
  std::string ip_;
  uint16_t http_port_ = 0;
  uint16_t https_port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace blobd::http
