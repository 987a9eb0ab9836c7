// A sheet of cells with formulas: parsed into trees, evaluated with what they
// refer to, and again where a cell changes. Errors are values of their cells.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace {

using Number = std::int64_t;

struct FormulaError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Node;
using Tree = std::unique_ptr<Node>;
struct Reference {
    std::string name;
};
struct Call {
    std::string name;
    std::vector<Tree> arguments;
};
struct Node {
    std::variant<Number, Reference, Call> what;
};

Number called(const std::string &name, Number a, Number b)
{
    static const std::map<std::string, std::function<Number(Number, Number)>, std::less<>> functions = {
        {"+", [](Number x, Number y) { return (x + y) % 1000000007; }},
        {"-", [](Number x, Number y) { return (x - y) % 1000000007; }},
        {"*", [](Number x, Number y) { return x % 1000003 * (y % 1000003); }},
        {"/", [](Number x, Number y) { return y ? x / y : throw FormulaError("division by zero"); }},
        {"max", [](Number x, Number y) { return std::max(x, y); }},
        {"min", [](Number x, Number y) { return std::min(x, y); }},
    };
    auto found = functions.find(name);
    if (found == functions.end())
        throw FormulaError("unknown function " + name);
    return found->second(a, b);
}

class Parser {
public:
    explicit Parser(std::string_view text) : rest_(text) {}
    Tree whole()
    {
        Tree tree = sum();
        if (!rest_.empty())
            throw FormulaError("unexpected " + std::string(rest_.substr(0, 1)));
        return tree;
    }

private:
    Tree sum() { return chain("+-", [this] { return product(); }); }
    Tree product() { return chain("*/", [this] { return atom(); }); }
    template <typename Inner>
    Tree chain(std::string_view operators, Inner inner)
    {
        Tree left = inner();
        while (!rest_.empty() && operators.find(rest_.front()) != std::string_view::npos) {
            std::string name(1, rest_.front());
            rest_.remove_prefix(1);
            std::vector<Tree> both;
            both.push_back(std::move(left));
            both.push_back(inner());
            left = std::make_unique<Node>(Node{Call{std::move(name), std::move(both)}});
        }
        return left;
    }
    Tree atom()
    {
        if (take('(')) {
            Tree inner = sum();
            expect(')');
            return inner;
        }
        std::string word;
        while (!rest_.empty() && std::isalnum(static_cast<unsigned char>(rest_.front()))) {
            word += rest_.front();
            rest_.remove_prefix(1);
        }
        if (word.empty())
            throw FormulaError(rest_.empty() ? "unexpected end" : "unexpected " + std::string(rest_.substr(0, 1)));
        if (std::isdigit(static_cast<unsigned char>(word.front())))
            return std::make_unique<Node>(Node{Number(std::stoll(word))});
        if (!take('('))
            return std::make_unique<Node>(Node{Reference{std::move(word)}});
        std::vector<Tree> arguments;
        do
            arguments.push_back(sum());
        while (take(','));
        expect(')');
        return std::make_unique<Node>(Node{Call{std::move(word), std::move(arguments)}});
    }
    bool take(char c)
    {
        bool here = !rest_.empty() && rest_.front() == c;
        rest_.remove_prefix(here);
        return here;
    }
    void expect(char c)
    {
        if (!take(c))
            throw FormulaError(std::string("no ") + c);
    }
    std::string_view rest_;
};

class Sheet {
public:
    void set(const std::string &name, const std::string &formula)
    {
        Cell &cell = cells_[name];
        try {
            cell.tree = Parser(formula).whole();
        } catch (const FormulaError &error) {
            cell.tree.reset();
            cell.problem = error.what();
        }
        for (auto &entry : cells_)
            entry.second.known = false;
    }
    Number value(const std::string &name)
    {
        auto found = cells_.find(name);
        if (found == cells_.end())
            throw FormulaError("no cell " + name);
        Cell &cell = found->second;
        if (!cell.known) {
            if (cell.busy)
                throw FormulaError("circle");
            cell.busy = true;
            evaluations_++;
            try {
                if (!cell.tree)
                    throw FormulaError(cell.problem);
                cell.number = evaluated(*cell.tree);
                cell.error.clear();
            } catch (const FormulaError &error) {
                cell.error = error.what();
            }
            cell.busy = false;
            cell.known = true;
        }
        if (!cell.error.empty())
            throw FormulaError(cell.error);
        return cell.number;
    }
    void summarise(std::ostream &out)
    {
        std::map<std::string, int> errors;
        std::uint64_t sum = 0;
        for (auto &[name, cell] : cells_) {
            try {
                sum = sum * 31 + static_cast<std::uint64_t>(value(name));
            } catch (const FormulaError &error) {
                errors[error.what()]++;
            }
        }
        out << cells_.size() << " cells, " << evaluations_ << " evaluations, sum " << sum << '\n';
        for (const auto &[what, count] : errors)
            out << what << ": " << count << '\n';
    }

private:
    Number evaluated(const Node &node)
    {
        if (auto reference = std::get_if<Reference>(&node.what))
            return value(reference->name);
        if (auto number = std::get_if<Number>(&node.what))
            return *number;
        const auto &[name, arguments] = std::get<Call>(node.what);
        Number result = evaluated(*arguments.front());
        for (std::size_t i = 1; i < arguments.size(); i++)
            result = called(name, result, evaluated(*arguments[i]));
        return result;
    }
    struct Cell {
        Tree tree;
        std::string problem, error;
        Number number = 0;
        bool known = false, busy = false;
    };
    std::map<std::string, Cell> cells_;
    std::uint64_t evaluations_ = 0;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: formula_cpp CELLS CHANGES SEED\n";
        return 2;
    }
    std::uint32_t state = static_cast<std::uint32_t>(std::atoi(argv[3]));
    auto draw = [&state](std::uint32_t below) {
        state = state * 1664525u + 1013904223u;
        return (state >> 10) % below;
    };
    std::uint32_t cells = static_cast<std::uint32_t>(std::atoi(argv[1]));
    auto name = [](std::uint32_t number) { return "c" + std::to_string(number); };
    auto formula = [&](std::uint32_t number) -> std::string {
        std::string below = number ? name(draw(number)) : "7", other = number ? name(draw(number)) : "2";
        switch (draw(9)) {
        case 0: return std::to_string(draw(1000));
        case 1: return "max(" + below + "," + other + ",3)";
        case 2: return "(" + below + "+" + other + ")*" + std::to_string(draw(9));
        case 3: return below + "/" + std::to_string(draw(6));
        case 4: return draw(12) ? below + "-" + other : name(number + draw(3));
        case 5: return draw(40) ? "min(" + below + "," + other + ")" : "(" + below;
        case 6: return draw(9) ? below + "+1" : "avg(" + below + ",2)";
        default: return below + "*3+" + other;
        }
    };
    Sheet sheet;
    for (std::uint32_t number = 0; number < cells; number++)
        sheet.set(name(number), formula(number));
    sheet.summarise(std::cout);
    for (int change = std::atoi(argv[2]); change > 0 && cells; change--) {
        std::uint32_t number = draw(cells);
        sheet.set(name(number), formula(number));
        for (std::uint32_t look = 0; look < 20; look++) {
            try {
                sheet.value(name(draw(cells)));
            } catch (const FormulaError &) {
            }
        }
    }
    sheet.summarise(std::cout);
    return 0;
}
