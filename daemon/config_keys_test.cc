// What is known of each key agrees with what the daemon does, and with what is said to people.
#include "daemon/config_keys.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "daemon/environment.h"

namespace blobd::daemon {
namespace {

std::string ReadFile(const std::string& name) {
  std::ifstream file(std::string(BLOBD_PACKAGING) + "/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// What documents say of keys: their defaults, and whether they are live.
struct Said {
  std::string by_default;
  bool is_live = false;
};

bool IsOfOrigins(const std::string& name) { return name.find('*') != std::string::npos; }

// The paths of root are what documents show.
bool IsPath(const std::string& name) {
  return name == "state_dir" || name == "socket" || name == "data_socket";
}

void Compare(const std::map<std::string, Said>& said, bool with_live) {
  const Config defaults = DefaultConfig();
  for (const auto& [name, key] : AllKeys()) {
    if (IsOfOrigins(name)) continue;
    const auto found = said.find(name);
    ASSERT_NE(found, said.end()) << name << " is not described";
    if (geteuid() == 0 || !IsPath(name)) {
      EXPECT_EQ(found->second.by_default, key.by_default(defaults)) << name;
    }
    if (with_live) {
      EXPECT_EQ(found->second.is_live, key.is_live) << name;
    }
  }
  for (const auto& [name, each] : said) EXPECT_NE(FindKey(name), nullptr) << name;
}

TEST(ConfigKeys, TheFileThatIsInstalledShowsEachWithItsDefault) {
  std::map<std::string, Said> said;
  std::istringstream lines(ReadFile("config/blobd.toml"));
  std::string table;
  const std::regex header(R"(\[([a-z]+)\])");
  const std::regex setting(R"(#([a-z_]+) = (.*))");
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, match, header)) table = match[1].str() + ".";
    if (std::regex_match(line, match, setting)) said[table + match[1].str()].by_default = match[2];
  }
  Compare(said, false);
}

TEST(ConfigKeys, TheManualDescribesEachWithItsDefault) {
  const std::string manual = ReadFile("man/blobd.toml.5.scd");
  std::map<std::string, Said> said;
  std::istringstream lines(manual);
  std::string table;
  const std::regex header(R"(# \[([a-z]+)\])");
  const std::regex setting(R"(\*([a-z_]+)\* = ("[^"]*"|\[(?:"[^"]*")?\]|[0-9]+|true|false))");
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, match, header)) table = match[1].str() + ".";
    if (!line.starts_with("*")) continue;
    const bool is_live = line.ends_with("(live)");
    for (std::sregex_iterator it(line.begin(), line.end(), setting); it != std::sregex_iterator();
         ++it)
      said[table + (*it)[1].str()] = {(*it)[2].str(), is_live};
  }
  Compare(said, true);
  // Of one origin only.
  EXPECT_THAT(manual, testing::HasSubstr("*headers*"));
  EXPECT_THAT(manual, testing::HasSubstr("*connections*"));
}

TEST(ConfigKeys, ADefaultThatIsWrittenIsTheDefault) {
  const Config defaults = DefaultConfig();
  for (const auto& [name, key] : AllKeys()) {
    if (IsOfOrigins(name)) continue;
    SCOPED_TRACE(name);
    const std::string value = key.by_default(defaults);
    ASSERT_FALSE(value.empty());
    EXPECT_FALSE(key.valid.empty());
    Config config = DefaultConfig();
    ASSERT_TRUE(ApplyToml(name + " = " + value, "a.toml", &config).ok());
    EXPECT_EQ(config.written.at(name).value, value);
    EXPECT_EQ(key.by_default(config), value);
    EXPECT_EQ(config.written.at(name).place.ToString(), "a.toml:1");
  }
}

TEST(ConfigKeys, EachHasAVariableOfItsOwn) {
  std::set<std::string> variables;
  for (const auto& [name, key] : AllKeys()) {
    if (IsOfOrigins(name)) {
      EXPECT_EQ(VariableOf(name), "");
    } else {
      EXPECT_TRUE(variables.insert(VariableOf(name)).second) << name;
    }
  }
  EXPECT_TRUE(variables.contains("BLOBD_STORE_MAX_BYTES"));
  EXPECT_TRUE(variables.contains("BLOBD_LOG_LEVEL"));
}

TEST(ConfigKeys, WhatIsUnknownIsNamedWithWhatMayBeMeant) {
  EXPECT_EQ(UnknownKey("store.max_byte"),
            "unknown key store.max_byte: did you mean store.max_bytes?");
  EXPECT_EQ(UnknownKey("max_bytes"), "unknown key max_bytes: did you mean store.max_bytes?");
  EXPECT_EQ(UnknownKey("log_lvel"), "unknown key log_lvel: did you mean log_level?");
  EXPECT_EQ(UnknownKey("mirrors.origins.\"https://m\".header"),
            "unknown key mirrors.origins.\"https://m\".header: did you mean headers?");
  EXPECT_EQ(UnknownKey("unheard_of"), "unknown key unheard_of");
  EXPECT_EQ(UnknownKey("a\x1b[31m").find('\x1b'), std::string::npos);
  EXPECT_EQ(UnknownKey(std::string(100'000, 'x')).find("did you mean"), std::string::npos);
}

TEST(ConfigKeys, WhatMayBeASecretIsNotShown) {
  EXPECT_EQ(Shown("workers", "3"), "3");
  EXPECT_EQ(Shown("mirrors.proxy", "\"http://u:p@host\""), kHidden);
  EXPECT_EQ(Shown("mirrors.proxy", "\"\""), "\"\"");
  EXPECT_EQ(Shown("mirrors.origins.\"https://m\".headers", "{ A = \"b\" }"), kHidden);
  EXPECT_EQ(Shown("mirrors.origins.\"https://m\".connections", "3"), "3");
  EXPECT_EQ(Shown("mirrors.templates", "[\"https://m/{hash}\"]"), "[\"https://m/{hash}\"]");
  EXPECT_EQ(Shown("mirrors.templates", "[\"https://m/{hash}?key=1\"]"), kHidden);
  EXPECT_EQ(Shown("lookup.pkarr_relay", "\"https://u:p@relay\""), kHidden);
  // Of what nobody knows nobody knows whether it is one.
  EXPECT_EQ(Shown("unheard_of", "1"), kHidden);
}

TEST(ConfigKeys, TheOriginsOfALaterFileTakeThePlaceOfTheSameOnes) {
  Config config = DefaultConfig();
  ASSERT_TRUE(ApplyToml("[mirrors.origins.\"https://m:443\"]\nconnections = 2\npolite = true\n",
                        "a.toml", &config)
                  .ok());
  EXPECT_EQ(config.written.count("mirrors.origins.\"https://m\".polite"), 1u);
  ASSERT_TRUE(
      ApplyToml("[mirrors.origins.\"https://m\"]\nconnections = 3\n", "b.toml", &config).ok());
  EXPECT_EQ(config.written.count("mirrors.origins.\"https://m\".polite"), 0u);
  EXPECT_EQ(config.written.at("mirrors.origins.\"https://m\".connections").place.ToString(),
            "b.toml:2");
  ASSERT_EQ(config.mirrors.origins.size(), 1u);
  EXPECT_EQ(config.mirrors.origins.begin()->second.connections, 3u);
  EXPECT_FALSE(config.mirrors.origins.begin()->second.polite);
}

}  // namespace
}  // namespace blobd::daemon
