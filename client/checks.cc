#include "client/checks.h"

#include <algorithm>

#include "base/utf8.h"
#include "client/words.h"

namespace blobd::client {
namespace {

std::string Quoted(const std::string& text) { return "\"" + EscapeForTerminal(text) + "\""; }

bool IsNumber(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

CLI::Validator Time() {
  return {[](std::string& text) {
            const auto ms = ParseTime(text);
            if (!ms) return Quoted(text) + " is no time: write 500ms, 30s, 10m, 24h or 7d";
            text = std::to_string(*ms);
            return std::string();
          },
          ""};
}

CLI::Validator Size() {
  return {[](std::string& text) {
            const auto bytes = ParseSize(text);
            if (!bytes) return Quoted(text) + " is no size: write 500MB, 10GiB or 800B";
            text = std::to_string(*bytes);
            return std::string();
          },
          ""};
}

CLI::Validator SizeOrBytes() {
  CLI::Validator size = Size();
  return {[size](std::string& text) {
            const bool is_number = IsNumber(text);
            return is_number ? std::string() : size(text);
          },
          ""};
}

CLI::Validator Id(const std::string& list) {
  return {[list](std::string& text) {
            // Below 2^64: CLI11 takes what is larger for the largest.
            const bool is_id = IsNumber(text) && text.size() < 20;
            return is_id ? "" : Quoted(text) + " is no id; \"blobctl " + list + "\" shows them";
          },
          ""};
}

CLI::Validator Port() {
  return {[](std::string& text) {
            const bool is_port = IsNumber(text) && text.size() <= 5 && std::stoul(text) >= 1 &&
                                 std::stoul(text) <= 65535;
            return is_port ? "" : Quoted(text) + " is no port: write 1 to 65535";
          },
          ""};
}

CLI::Validator OneOf(const std::vector<std::string>& words) {
  return {[words](std::string& text) {
            if (std::find(words.begin(), words.end(), text) != words.end()) return std::string();
            std::string known;
            for (const std::string& word : words) known += (known.empty() ? "" : ", ") + word;
            return Quoted(text) + " is none of " + known;
          },
          ""};
}

}  // namespace blobd::client
