// A timetable of trains: days and times as small classes, sets of runs in
// order, questions about connections, and changes that may be refused.
#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

class Clock {
public:
    constexpr Clock() = default;
    explicit constexpr Clock(int minutes) : minutes_(minutes) {}
    static Clock parse(const std::string &text)
    {
        std::istringstream input(text);
        int hours = -1, minutes = -1;
        char colon = 0;
        input >> hours >> colon >> minutes;
        if (!input || colon != ':' || hours < 0 || hours > 47 || minutes < 0 || minutes > 59)
            throw std::invalid_argument("no time: " + text);
        return Clock(60 * hours + minutes);
    }
    constexpr auto operator<=>(const Clock &) const = default;
    constexpr Clock operator+(int minutes) const { return Clock(minutes_ + minutes); }
    constexpr int operator-(Clock other) const { return minutes_ - other.minutes_; }
    constexpr int minutes() const { return minutes_; }
    friend std::ostream &operator<<(std::ostream &out, Clock time)
    {
        auto fill = out.fill('0');
        out << std::setw(2) << time.minutes_ / 60 << ':' << std::setw(2) << time.minutes_ % 60;
        out.fill(fill);
        return out;
    }

private:
    int minutes_ = 0;
};

struct Hop {
    std::string from, to;
    Clock leaves, arrives;
    int train = 0;
    auto operator<=>(const Hop &) const = default;
};

struct ByLeaving {
    using is_transparent = void;
    bool operator()(const Hop &a, const Hop &b) const
    {
        return std::tie(a.leaves, a.train, a.to) < std::tie(b.leaves, b.train, b.to);
    }
    bool operator()(const Hop &a, Clock b) const { return a.leaves < b; }
    bool operator()(Clock a, const Hop &b) const { return a < b.leaves; }
};

class Timetable {
public:
    void add_train(int number, const std::vector<std::pair<std::string, Clock>> &stops)
    {
        if (stops.size() < 2)
            throw std::invalid_argument("train " + std::to_string(number) + " goes nowhere");
        for (std::size_t i = 1; i < stops.size(); i++)
            if (stops[i].second <= stops[i - 1].second)
                throw std::domain_error("train " + std::to_string(number) + " arrives before it leaves");
        for (std::size_t i = 1; i < stops.size(); i++) {
            Hop hop{stops[i - 1].first, stops[i].first, stops[i - 1].second, stops[i].second, number};
            leaving_[hop.from].insert(hop);
        }
        trains_.insert(number);
    }
    bool cancel(int number)
    {
        if (!trains_.erase(number))
            return false;
        for (auto &[station, hops] : leaving_)
            std::erase_if(hops, [number](const Hop &hop) { return hop.train == number; });
        return true;
    }

    // The earliest arrival, with so many minutes to change trains.
    std::optional<std::vector<Hop>> connection(const std::string &from, const std::string &to, Clock start) const
    {
        struct State {
            Clock at;
            std::optional<Hop> by;
        };
        std::map<std::string, State> reached{{from, {start, std::nullopt}}};
        std::set<std::pair<Clock, std::string>> waiting{{start, from}};
        while (!waiting.empty()) {
            auto [now, station] = *waiting.begin();
            waiting.erase(waiting.begin());
            if (station == to)
                break;
            auto hops = leaving_.find(station);
            if (hops == leaving_.end())
                continue;
            const auto &by = reached.at(station).by;
            for (auto hop = hops->second.lower_bound(now); hop != hops->second.end(); ++hop) {
                bool stays = by && by->train == hop->train;
                if (by && !stays && hop->leaves - now < change_minutes)
                    continue;
                auto [place, fresh] = reached.try_emplace(hop->to, State{hop->arrives, *hop});
                if (!fresh && hop->arrives >= place->second.at)
                    continue;
                if (!fresh)
                    waiting.erase({place->second.at, hop->to});
                place->second = State{hop->arrives, *hop};
                waiting.insert({hop->arrives, hop->to});
            }
        }
        if (!reached.contains(to))
            return std::nullopt;
        std::vector<Hop> path;
        for (std::string station = to; reached.at(station).by && path.size() < reached.size();
             station = path.back().from)
            path.push_back(*reached.at(station).by);
        std::reverse(path.begin(), path.end());
        return path;
    }
    std::size_t trains() const { return trains_.size(); }
    std::size_t hops() const
    {
        return std::accumulate(leaving_.begin(), leaving_.end(), std::size_t(0),
                               [](std::size_t sum, const auto &entry) { return sum + entry.second.size(); });
    }

private:
    static constexpr int change_minutes = 4;
    std::map<std::string, std::set<Hop, ByLeaving>> leaving_;
    std::set<int> trains_;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: timetable_cpp TRAINS QUESTIONS SEED\n";
        return 2;
    }
    std::uint32_t state = static_cast<std::uint32_t>(std::atoi(argv[3])) * 2654435769u + 1;
    auto draw = [&state](int below) {
        state = state * 1664525u + 1013904223u;
        return static_cast<int>((state >> 9) % static_cast<std::uint32_t>(below));
    };
    const std::array<std::string, 14> stations = {"Aalen", "Berg", "Calw", "Dorf",  "Egg",  "Furth", "Gera",
                                                  "Hof",   "Isny", "Jena", "Kassel", "Lahr", "Melle", "Norden"};
    Timetable table;
    std::map<std::string, int> refused;
    for (int number = 1; number <= std::atoi(argv[1]); number++) {
        std::vector<std::pair<std::string, Clock>> stops;
        Clock time = Clock(240 + draw(1000));
        for (int stop = draw(7); stop >= 0; stop--) {
            stops.emplace_back(stations[static_cast<std::size_t>(draw(14))], time);
            time = time + (draw(25) - (draw(30) == 0 ? 9 : -3));
        }
        try {
            table.add_train(number, stops);
        } catch (const std::invalid_argument &) {
            refused["goes nowhere"]++;
        } catch (const std::domain_error &error) {
            refused[std::string(error.what()).substr(std::string(error.what()).find("arrives"))]++;
        }
        if (draw(20) == 0)
            refused["cancelled"] += table.cancel(1 + draw(number));
    }
    std::cout << table.trains() << " trains, " << table.hops() << " hops\n";
    for (const auto &[why, count] : refused)
        std::cout << why << ": " << count << '\n';
    std::map<std::size_t, int> lengths;
    std::int64_t minutes = 0;
    int found = 0;
    for (int question = 0; question < std::atoi(argv[2]); question++) {
        const auto &from = stations[static_cast<std::size_t>(draw(14))], &to = stations[static_cast<std::size_t>(draw(14))];
        std::string hour = std::to_string(5 + draw(12)), minute = std::to_string(draw(60));
        Clock start = Clock::parse(hour + ":" + minute);
        auto path = table.connection(from, to, start);
        if (!path)
            continue;
        found++;
        lengths[path->size()]++;
        if (!path->empty())
            minutes += path->back().arrives - start;
        if (question < 3)
            for (const Hop &hop : *path)
                std::cout << hop.from << ' ' << hop.leaves << " -> " << hop.to << ' ' << hop.arrives << " train "
                          << hop.train << '\n';
    }
    std::cout << found << " connections, " << minutes << " minutes\n";
    for (const auto &[length, count] : lengths)
        std::cout << length << " hops: " << count << '\n';
    for (const char *text : {"7:05", "25:61", "noon"}) {
        try {
            std::cout << Clock::parse(text) << '\n';
        } catch (const std::invalid_argument &error) {
            std::cout << error.what() << '\n';
        }
    }
    return 0;
}
