// A small shop: customers order items, stock runs out, orders are cancelled or
// shipped, and each kind of customer pays by rules of its own.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using Cents = std::int64_t;

struct OutOfStock : std::runtime_error {
    OutOfStock(const std::string &item, int wanted, int left)
        : std::runtime_error(item + ": " + std::to_string(wanted) + " wanted, " + std::to_string(left) + " left"),
          missing(wanted - left)
    {
    }
    int missing;
};

struct Item {
    std::string name;
    Cents price;
    int stock;
    int reorders = 0;
};

class Customer {
public:
    explicit Customer(std::string name) : name_(std::move(name)) {}
    virtual ~Customer() = default;
    virtual Cents discount(Cents sum, std::size_t lines) const = 0;
    virtual std::string kind() const = 0;
    const std::string &name() const { return name_; }
    void pay(Cents sum) { paid_ += sum; }
    Cents paid() const { return paid_; }

private:
    std::string name_;
    Cents paid_ = 0;
};

class Private final : public Customer {
public:
    using Customer::Customer;
    Cents discount(Cents sum, std::size_t) const override { return sum > 20000 ? sum / 50 : 0; }
    std::string kind() const override { return "private"; }
};

class Company final : public Customer {
public:
    using Customer::Customer;
    Cents discount(Cents sum, std::size_t lines) const override { return sum * static_cast<Cents>(lines) / 100; }
    std::string kind() const override { return "company"; }
};

class Member final : public Customer {
public:
    using Customer::Customer;
    Cents discount(Cents sum, std::size_t) const override { return paid() > 100000 ? sum / 10 : sum / 20; }
    std::string kind() const override { return "member"; }
};

class Order {
public:
    Order(int number, std::shared_ptr<Customer> customer) : number_(number), customer_(std::move(customer)) {}
    void add(std::shared_ptr<Item> item, int count)
    {
        auto found = std::find_if(lines_.begin(), lines_.end(), [&](const Line &l) { return l.item == item; });
        if (found != lines_.end())
            found->count += count;
        else
            lines_.push_back({std::move(item), count});
    }
    // All or nothing: what was taken already goes back when a line cannot be served.
    Cents ship()
    {
        std::vector<std::function<void()>> undo;
        try {
            for (Line &line : lines_) {
                if (line.item->stock < line.count)
                    throw OutOfStock(line.item->name, line.count, line.item->stock);
                line.item->stock -= line.count;
                undo.push_back([&line] { line.item->stock += line.count; });
            }
        } catch (const OutOfStock &) {
            std::for_each(undo.rbegin(), undo.rend(), [](const auto &step) { step(); });
            throw;
        }
        Cents sum = 0;
        for (const Line &line : lines_)
            sum += line.item->price * line.count;
        sum -= customer_->discount(sum, lines_.size());
        customer_->pay(sum);
        return sum;
    }
    int number() const { return number_; }
    const Customer &customer() const { return *customer_; }

private:
    struct Line {
        std::shared_ptr<Item> item;
        int count;
    };
    int number_;
    std::shared_ptr<Customer> customer_;
    std::vector<Line> lines_;
};

class Shop {
public:
    explicit Shop(std::uint32_t seed) : state_(seed * 747796405u + 2891336453u)
    {
        const char *names[] = {"lamp", "chair", "table", "clock", "shelf", "mirror", "carpet", "vase", "bench", "desk"};
        for (const char *name : names)
            items_.emplace(name, std::make_shared<Item>(Item{name, 500 + draw(9000), 40 + draw(60)}));
        for (int i = 0; i < 30; i++) {
            std::string name = "c" + std::to_string(i);
            if (i % 3 == 0)
                customers_.push_back(std::make_shared<Private>(name));
            else if (i % 3 == 1)
                customers_.push_back(std::make_shared<Company>(name));
            else
                customers_.push_back(std::make_shared<Member>(name));
        }
    }

    void run(int orders)
    {
        for (int number = 1; number <= orders; number++) {
            auto order = std::make_unique<Order>(number, customers_[static_cast<std::size_t>(draw(30))]);
            for (int lines = 1 + draw(4); lines; lines--) {
                auto item = any_item();
                order->add(std::move(item), 1 + draw(6));
            }
            waiting_.push_back(std::move(order));
            if (waiting_.size() >= 8)
                ship_waiting();
        }
        ship_waiting();
    }

    void print(std::ostream &out) const
    {
        std::map<std::string, Cents> by_kind;
        for (const auto &customer : customers_)
            by_kind[customer->kind()] += customer->paid();
        for (const auto &[kind, paid] : by_kind)
            out << std::left << std::setw(10) << kind << std::right << std::setw(10) << paid / 100 << '.'
                << std::setw(2) << std::setfill('0') << paid % 100 << std::setfill(' ') << '\n';
        for (const auto &[name, item] : items_)
            out << name << ": " << item->stock << " left, " << item->reorders << " reorders\n";
        out << shipped_ << " shipped, " << failures_.size() << " kinds of failure, " << missing_ << " pieces missing\n";
        if (auto best = best_customer())
            out << "best customer " << *best << '\n';
    }

private:
    std::shared_ptr<Item> any_item()
    {
        return std::next(items_.begin(), draw(static_cast<int>(items_.size())))->second;
    }
    void ship_waiting()
    {
        for (const auto &order : waiting_) {
            try {
                order->ship();
                shipped_++;
            } catch (const OutOfStock &error) {
                failures_[error.what()]++;
                missing_ += error.missing;
                for (auto &entry : items_)
                    if (entry.second->stock < 10) {
                        entry.second->stock += 50;
                        entry.second->reorders++;
                    }
            }
        }
        waiting_.clear();
    }
    std::optional<std::string> best_customer() const
    {
        auto best = std::max_element(customers_.begin(), customers_.end(),
                                     [](const auto &a, const auto &b) { return a->paid() < b->paid(); });
        if (best == customers_.end() || (*best)->paid() == 0)
            return std::nullopt;
        return (*best)->name() + " (" + (*best)->kind() + ")";
    }
    int draw(int below)
    {
        state_ = state_ * 1664525u + 1013904223u;
        return static_cast<int>((state_ >> 8) % static_cast<std::uint32_t>(below));
    }

    std::uint32_t state_;
    std::map<std::string, std::shared_ptr<Item>> items_;
    std::vector<std::shared_ptr<Customer>> customers_;
    std::vector<std::unique_ptr<Order>> waiting_;
    std::map<std::string, int> failures_;
    int shipped_ = 0;
    std::int64_t missing_ = 0;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: orders_cpp ORDERS SEED\n";
        return 2;
    }
    Shop shop(static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10)));
    shop.run(std::atoi(argv[1]));
    shop.print(std::cout);
    return 0;
}
