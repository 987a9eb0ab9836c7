// Caches of several policies as class templates over std::list and
// std::unordered_map, under requests that come in runs and bursts.
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <iterator>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

template <typename Key, typename Value>
class LruCache {
public:
    explicit LruCache(std::size_t room) : room_(room)
    {
        if (room == 0)
            throw std::invalid_argument("a cache needs room");
    }
    std::optional<Value> get(const Key &key)
    {
        auto found = places_.find(key);
        if (found == places_.end())
            return std::nullopt;
        entries_.splice(entries_.begin(), entries_, found->second);
        return found->second->second;
    }
    void put(const Key &key, Value value)
    {
        if (auto found = places_.find(key); found != places_.end()) {
            found->second->second = std::move(value);
            entries_.splice(entries_.begin(), entries_, found->second);
            return;
        }
        if (entries_.size() == room_) {
            places_.erase(entries_.back().first);
            entries_.pop_back();
        }
        entries_.emplace_front(key, std::move(value));
        places_[key] = entries_.begin();
    }
    std::size_t size() const { return entries_.size(); }

private:
    using Entries = std::list<std::pair<Key, Value>>;
    std::size_t room_;
    Entries entries_;
    std::unordered_map<Key, typename Entries::iterator> places_;
};

// What was used least often goes first; among those the one that was used longest ago.
template <typename Key, typename Value>
class LfuCache {
public:
    explicit LfuCache(std::size_t room) : room_(room) {}
    std::optional<Value> get(const Key &key)
    {
        auto found = entries_.find(key);
        if (found == entries_.end())
            return std::nullopt;
        touch(key, found->second);
        return found->second.value;
    }
    void put(const Key &key, Value value)
    {
        auto [place, fresh] = entries_.try_emplace(key);
        place->second.value = std::move(value);
        if (fresh && entries_.size() > room_) {
            auto worst = order_.begin();
            entries_.erase(std::get<2>(*worst));
            order_.erase(worst);
        }
        touch(key, entries_.at(key));
    }
    std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        Value value{};
        std::uint64_t uses = 0, last = 0;
    };
    void touch(const Key &key, Entry &entry)
    {
        order_.erase({entry.uses, entry.last, key});
        entry.uses++;
        entry.last = ++clock_;
        order_.insert({entry.uses, entry.last, key});
    }
    std::size_t room_;
    std::uint64_t clock_ = 0;
    std::unordered_map<Key, Entry> entries_;
    std::set<std::tuple<std::uint64_t, std::uint64_t, Key>> order_;
};

std::string page(std::uint32_t number)
{
    std::string text = "page-" + std::to_string(number);
    text.append(number % 23, static_cast<char>('a' + number % 26));
    return text;
}

std::vector<std::uint32_t> requests(std::uint32_t count, std::uint32_t pages, std::uint32_t seed)
{
    std::vector<std::uint32_t> found;
    found.reserve(count);
    std::uint32_t state = seed | 1u;
    auto draw = [&state](std::uint32_t below) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        return state % below;
    };
    while (found.size() < count) {
        std::uint32_t start = draw(3) ? draw(pages / 8 + 1) : draw(pages);
        for (std::uint32_t run = 1 + draw(6); run && found.size() < count; run--)
            found.push_back((start + run) % pages);
    }
    return found;
}

template <typename Cache, typename MakeKey>
void replay(const std::string &name, Cache cache, const std::vector<std::uint32_t> &asked, MakeKey key_of)
{
    std::uint64_t hits = 0, sum = 0;
    for (std::uint32_t number : asked) {
        auto key = key_of(number);
        if (auto found = cache.get(key)) {
            hits++;
            sum = sum * 31 + found->size();
        } else {
            cache.put(key, page(number));
        }
    }
    std::cout << name << ": " << hits << " hits of " << asked.size() << ", " << cache.size() << " kept, sum " << sum
              << '\n';
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: lru_cpp REQUESTS PAGES SEED\n";
        return 2;
    }
    std::uint32_t pages = static_cast<std::uint32_t>(std::atoi(argv[2]));
    auto asked = requests(static_cast<std::uint32_t>(std::atoi(argv[1])), pages,
                          static_cast<std::uint32_t>(std::atoi(argv[3])));
    auto as_number = [](std::uint32_t number) { return number; };
    try {
        for (std::size_t room : {std::size_t(16), std::size_t(pages / 4)}) {
            replay("lru " + std::to_string(room), LruCache<std::uint32_t, std::string>(room), asked, as_number);
            replay("lfu " + std::to_string(room), LfuCache<std::uint32_t, std::string>(room), asked, as_number);
            replay("lru by name " + std::to_string(room), LruCache<std::string, std::string>(room), asked, page);
        }
    } catch (const std::invalid_argument &error) {
        std::cout << "refused: " << error.what() << '\n';
    }
    return 0;
}
