#include "command.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include "quantity.h"

namespace blobd::link {
namespace {

constexpr size_t kNameBytesMax = 15;  // IFNAMSIZ with its terminator
constexpr size_t kNamespaceBytesMax = 200;

using Words = std::span<const std::string_view>;

std::vector<std::string_view> Split(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view kBlanks = " \t\r";
  for (;;) {
    const size_t begin = line.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(kBlanks), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

struct Option {
  std::string_view key;
  std::string_view value;
};

StatusOr<Option> ParseOption(std::string_view word) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos) return InvalidArgument("not KEY=VALUE: {}", word);
  return Option{word.substr(0, equals), word.substr(equals + 1)};
}

StatusOr<uint32_t> ParseWhole(std::string_view text) {
  uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end) return InvalidArgument("not a whole number: {}", text);
  return number;
}

StatusOr<bool> ParseSwitch(std::string_view text) {
  if (text == "on") return true;
  if (text == "off") return false;
  return InvalidArgument("neither on nor off: {}", text);
}

// Also the device's name, and shown in answers: nothing but this is let through.
StatusOr<std::string> ParseName(std::string_view text) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  if (text.empty() || text.size() > kNameBytesMax ||
      !std::all_of(text.begin(), text.end(), is_fine))
    return InvalidArgument("not a name of 1 to 15 letters, digits, - and _: {}", text);
  return std::string(text);
}

StatusOr<std::string> ParseNamespace(std::string_view text) {
  if (text.empty() || text.size() > kNamespaceBytesMax || text == "." || text == "..")
    return InvalidArgument("not a namespace: {}", text);
  return std::string(text);
}

StatusOr<InterfaceAddress> ParseAddress(std::string_view text) {
  InterfaceAddress address;
  const size_t slash = text.find('/');
  const std::string ip(text.substr(0, slash));
  address.is_v4 = ip.find(':') == std::string::npos;
  if (inet_pton(address.is_v4 ? AF_INET : AF_INET6, ip.c_str(), address.ip.data()) != 1)
    return InvalidArgument("not an address: {}", text);
  if (slash == std::string_view::npos) return address;
  BLOBD_ASSIGN_OR_RETURN(const uint32_t prefix, ParseWhole(text.substr(slash + 1)));
  if (prefix > address.ip_bytes() * 8u) return InvalidArgument("not an address: {}", text);
  address.prefix = static_cast<uint8_t>(prefix);
  return address;
}

StatusOr<Directions> ParseDirections(std::string_view text) {
  if (text == "a>b") return Directions{.a_to_b = true, .b_to_a = false};
  if (text == "b>a") return Directions{.a_to_b = false, .b_to_a = true};
  if (text == "both") return Directions{};
  return InvalidArgument("not a>b, b>a or both: {}", text);
}

StatusOr<std::function<void(Settings&)>> ParseChange(std::string_view word) {
  BLOBD_ASSIGN_OR_RETURN(const Option option, ParseOption(word));
  const std::string_view value = option.value;

  struct Time {
    std::string_view key;
    Duration Settings::*member;
  };
  for (const Time& time : {Time{"delay", &Settings::delay}, Time{"jitter", &Settings::jitter},
                           Time{"reorder_by", &Settings::reorder_by}}) {
    if (option.key != time.key) continue;
    BLOBD_ASSIGN_OR_RETURN(const Duration parsed, ParseDuration(value));
    return [member = time.member, parsed](Settings& settings) { settings.*member = parsed; };
  }
  struct Probability {
    std::string_view key;
    double Settings::*member;
  };
  for (const Probability& probability :
       {Probability{"loss", &Settings::loss}, Probability{"burst_enter", &Settings::burst_enter},
        Probability{"burst_leave", &Settings::burst_leave},
        Probability{"burst_loss", &Settings::burst_loss},
        Probability{"reorder", &Settings::reorder}, Probability{"duplicate", &Settings::duplicate},
        Probability{"corrupt", &Settings::corrupt}}) {
    if (option.key != probability.key) continue;
    BLOBD_ASSIGN_OR_RETURN(const double parsed, ParseProbability(value));
    return [member = probability.member, parsed](Settings& settings) { settings.*member = parsed; };
  }
  if (option.key == "jitter_shape") {
    if (value != "normal" && value != "uniform")
      return InvalidArgument("neither normal nor uniform: {}", value);
    const JitterShape shape = value == "normal" ? JitterShape::kNormal : JitterShape::kUniform;
    return [shape](Settings& settings) { settings.jitter_shape = shape; };
  }
  if (option.key == "rate") {
    BLOBD_ASSIGN_OR_RETURN(const uint64_t rate, ParseRate(value));
    return [rate](Settings& settings) { settings.rate = rate; };
  }
  if (option.key == "queue") {
    if (const StatusOr<Duration> time = ParseDuration(value); time.ok())
      return [time = *time](Settings& settings) { settings.queue = time; };
    BLOBD_ASSIGN_OR_RETURN(const uint64_t size, ParseSize(value));
    return [size](Settings& settings) { settings.queue = size; };
  }
  return InvalidArgument("no setting {}", option.key);
}

StatusOr<Command> ParseLink(Words words) {
  // NAME NSA ADDR_A NSB ADDR_B [ADDR6_A ADDR6_B], and options anywhere.
  std::vector<std::string_view> positional;
  LinkSpec spec;
  for (const std::string_view word : words) {
    if (word.find('=') == std::string_view::npos) {
      positional.push_back(word);
      continue;
    }
    BLOBD_ASSIGN_OR_RETURN(const Option option, ParseOption(word));
    if (option.key == "mtu") {
      BLOBD_ASSIGN_OR_RETURN(spec.mtu, ParseWhole(option.value));
    } else if (option.key == "offload") {
      BLOBD_ASSIGN_OR_RETURN(spec.offload, ParseSwitch(option.value));
    } else {
      return InvalidArgument("no option {} of a link", option.key);
    }
  }
  if (positional.size() != 5 && positional.size() != 7)
    return InvalidArgument("link NAME NSA ADDR_A NSB ADDR_B [ADDR6_A ADDR6_B] [mtu=] [offload=]");
  BLOBD_ASSIGN_OR_RETURN(spec.name, ParseName(positional[0]));
  BLOBD_ASSIGN_OR_RETURN(spec.a.net_namespace, ParseNamespace(positional[1]));
  BLOBD_ASSIGN_OR_RETURN(spec.a.address, ParseAddress(positional[2]));
  BLOBD_ASSIGN_OR_RETURN(spec.b.net_namespace, ParseNamespace(positional[3]));
  BLOBD_ASSIGN_OR_RETURN(spec.b.address, ParseAddress(positional[4]));
  if (spec.a.net_namespace == spec.b.net_namespace)
    return InvalidArgument("both ends are in the namespace {}", spec.a.net_namespace);
  bool has_v6 = !spec.a.address.is_v4;
  if (positional.size() == 7) {
    BLOBD_ASSIGN_OR_RETURN(spec.a.more_address, ParseAddress(positional[5]));
    BLOBD_ASSIGN_OR_RETURN(spec.b.more_address, ParseAddress(positional[6]));
    if (spec.a.more_address->is_v4 == spec.a.address.is_v4 ||
        spec.a.more_address->is_v4 != spec.b.more_address->is_v4)
      return InvalidArgument("the second pair of addresses must be of the other family");
    has_v6 = true;
  }
  if (spec.a.address.is_v4 != spec.b.address.is_v4)
    return InvalidArgument("the two ends have addresses of different families");
  const uint32_t mtu_min = has_v6 ? kMtuMinIpv6 : kMtuMin;
  if (spec.mtu < mtu_min || spec.mtu > kMtuMax)
    return InvalidArgument("mtu {} is not from {} to {}", spec.mtu, mtu_min, kMtuMax);
  return MakeLink{std::move(spec)};
}

StatusOr<Command> ParseSet(Words words) {
  if (words.size() < 3) return InvalidArgument("set NAME a>b|b>a|both KEY=VALUE...");
  ChangeSettings command;
  BLOBD_ASSIGN_OR_RETURN(command.link, ParseName(words[0]));
  BLOBD_ASSIGN_OR_RETURN(command.directions, ParseDirections(words[1]));
  for (const std::string_view word : words.subspan(2)) {
    BLOBD_ASSIGN_OR_RETURN(auto change, ParseChange(word));
    command.changes.push_back(std::move(change));
  }
  return command;
}

StatusOr<Command> ParseDark(Words words) {
  if (words.size() != 2 && words.size() != 3)
    return InvalidArgument("dark NAME [a>b|b>a|both] on|off");
  SetDark command;
  BLOBD_ASSIGN_OR_RETURN(command.link, ParseName(words[0]));
  if (words.size() == 3) {
    BLOBD_ASSIGN_OR_RETURN(command.directions, ParseDirections(words[1]));
  }
  BLOBD_ASSIGN_OR_RETURN(command.dark, ParseSwitch(words.back()));
  return command;
}

StatusOr<Command> ParseWords(Words words) {
  const std::string_view verb = words[0];
  const Words rest = words.subspan(1);
  if (verb == "link") return ParseLink(rest);
  if (verb == "set") return ParseSet(rest);
  if (verb == "dark") return ParseDark(rest);
  if (verb == "stats") {
    if (rest.size() != 1) return InvalidArgument("stats NAME");
    BLOBD_ASSIGN_OR_RETURN(std::string name, ParseName(rest[0]));
    return ReportStats{std::move(name)};
  }
  if (verb == "quit") {
    if (!rest.empty()) return InvalidArgument("quit takes nothing");
    return Quit{};
  }
  return InvalidArgument("no command {}", verb);
}

}  // namespace

StatusOr<std::optional<TimedCommand>> ParseCommand(std::string_view line) {
  const std::vector<std::string_view> split = Split(line);
  Words words(split);
  if (words.empty() || words[0].front() == '#') return std::optional<TimedCommand>();
  std::optional<Duration> at;
  if (words[0] == "at") {
    if (words.size() < 3) return InvalidArgument("at TIME COMMAND");
    BLOBD_ASSIGN_OR_RETURN(at, ParseDuration(words[1]));
    words = words.subspan(2);
  }
  BLOBD_ASSIGN_OR_RETURN(Command command, ParseWords(words));
  return std::optional(TimedCommand{at, std::move(command)});
}

}  // namespace blobd::link
