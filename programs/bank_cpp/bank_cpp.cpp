// Customers of a bank queue for clerks: events in a priority queue, each of
// them one of several kinds, handled by a visitor.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <map>
#include <queue>
#include <random>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace {

using Time = std::int64_t;

struct Arrives {
    int customer;
};
struct Served {
    int customer, clerk;
};
struct GivesUp {
    int customer;
};
struct Break {
    int clerk;
    Time length;
};
using What = std::variant<Arrives, Served, GivesUp, Break>;

struct Event {
    Time at;
    std::uint64_t number; // of two at once, the one that was made first
    What what;
};

struct Later {
    bool operator()(const Event &a, const Event &b) const
    {
        return std::tie(a.at, a.number) > std::tie(b.at, b.number);
    }
};

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

struct Clerk {
    int customer = -1;
    bool away = false;
    Time busy = 0;
    int served = 0;
};

class Bank {
public:
    Bank(int clerks, int customers, unsigned seed) : random_(seed), clerks_(static_cast<std::size_t>(clerks))
    {
        Time at = 0;
        for (int customer = 0; customer < customers; customer++) {
            at += draw(90);
            schedule(at, Arrives{customer});
        }
        for (int clerk = 0; clerk < clerks; clerk++)
            schedule(1000 + 700 * clerk, Break{clerk, 600});
    }

    void run()
    {
        auto handler = Overloaded{
            [this](const Arrives &event) {
                queue_.emplace_back(event.customer, now_);
                longest_ = std::max(longest_, queue_.size());
                schedule(now_ + 400 + draw(900), GivesUp{event.customer});
            },
            [this](const Served &event) {
                Clerk &clerk = clerks_[static_cast<std::size_t>(event.clerk)];
                clerk.customer = -1;
                clerk.served++;
            },
            [this](const GivesUp &event) {
                for (auto it = queue_.begin(); it != queue_.end(); ++it)
                    if (it->first == event.customer) {
                        queue_.erase(it);
                        count("gave up");
                        break;
                    }
            },
            [this](const Break &event) {
                Clerk &clerk = clerks_[static_cast<std::size_t>(event.clerk)];
                clerk.away = !clerk.away;
                count(clerk.away ? "breaks" : "returns");
                if (!events_.empty())
                    schedule(now_ + (clerk.away ? event.length : 4000 + draw(500)), Break{event.clerk, event.length});
            },
        };
        while (!events_.empty() && done_ < limit_) {
            Event event = events_.top();
            events_.pop();
            now_ = event.at;
            done_++;
            std::visit(handler, event.what);
            if (std::holds_alternative<Break>(event.what) && events_.size() <= clerks_.size() && queue_.empty())
                continue;
            assign();
        }
    }

    std::string report() const
    {
        std::ostringstream out;
        out << "events " << done_ << " time " << now_ << " longest queue " << longest_ << '\n';
        for (const auto &[name, number] : counts_)
            out << name << ' ' << number << '\n';
        for (const auto &[minutes, number] : waits_)
            out << "waited " << minutes << " min: " << number << '\n';
        for (std::size_t i = 0; i < clerks_.size(); i++)
            out << "clerk " << i << " served " << clerks_[i].served << " busy " << clerks_[i].busy << '\n';
        return out.str();
    }

    void limit(std::uint64_t events) { limit_ = events; }

private:
    void schedule(Time at, What what) { events_.push(Event{at, made_++, std::move(what)}); }

    void assign()
    {
        for (std::size_t i = 0; i < clerks_.size() && !queue_.empty(); i++) {
            Clerk &clerk = clerks_[i];
            if (clerk.customer >= 0 || clerk.away)
                continue;
            auto [customer, since] = queue_.front();
            queue_.pop_front();
            Time length = 60 + draw(200);
            clerk.customer = customer;
            clerk.busy += length;
            waits_[(now_ - since) / 60]++;
            count("served");
            schedule(now_ + length, Served{customer, static_cast<int>(i)});
        }
    }

    void count(const std::string &name) { counts_[name]++; }
    Time draw(unsigned below) { return static_cast<Time>(random_() % below); }

    std::mt19937 random_;
    std::priority_queue<Event, std::vector<Event>, Later> events_;
    std::deque<std::pair<int, Time>> queue_;
    std::vector<Clerk> clerks_;
    std::map<std::string, int> counts_;
    std::map<Time, int> waits_;
    Time now_ = 0;
    std::uint64_t made_ = 0, done_ = 0, limit_ = 0;
    std::size_t longest_ = 0;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4 || std::atoi(argv[1]) < 1) {
        std::cerr << "usage: bank_cpp CLERKS CUSTOMERS SEED\n";
        return 2;
    }
    int customers = std::atoi(argv[2]);
    Bank bank(std::atoi(argv[1]), customers, static_cast<unsigned>(std::atoi(argv[3])));
    bank.limit(static_cast<std::uint64_t>(customers) * 4 + 100);
    bank.run();
    std::cout << bank.report();
    return 0;
}
