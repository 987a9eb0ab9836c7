// Reads a table of comma-separated values with quoted fields, gives each field
// a type, filters, sorts and groups rows; broken rows are reported and left out.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace {

using Field = std::variant<std::monostate, std::int64_t, std::string>;
using Row = std::vector<Field>;

class BadRow : public std::runtime_error {
public:
    BadRow(std::size_t line, const std::string &why) : std::runtime_error(why), line_(line) {}
    std::size_t line() const { return line_; }

private:
    std::size_t line_;
};

std::vector<std::string> split(const std::string &line, std::size_t number)
{
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); i++) {
        char c = line[i];
        if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
            fields.back() += '"';
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    if (quoted)
        throw BadRow(number, "quote without end");
    return fields;
}

Field typed(const std::string &text)
{
    if (text.empty())
        return std::monostate();
    std::int64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size())
        return value;
    return text;
}

class Table {
public:
    explicit Table(std::istream &input)
    {
        std::string line;
        std::size_t number = 0;
        while (std::getline(input, line)) {
            number++;
            try {
                auto fields = split(line, number);
                if (names_.empty()) {
                    names_ = std::move(fields);
                    continue;
                }
                if (fields.size() != names_.size())
                    throw BadRow(number, std::to_string(fields.size()) + " fields");
                Row row;
                std::transform(fields.begin(), fields.end(), std::back_inserter(row), typed);
                rows_.push_back(std::move(row));
            } catch (const BadRow &error) {
                problems_[error.what()].push_back(error.line());
            }
        }
    }

    std::size_t column(std::string_view name) const
    {
        auto found = std::find(names_.begin(), names_.end(), name);
        if (found == names_.end())
            throw std::out_of_range("no column " + std::string(name));
        return static_cast<std::size_t>(found - names_.begin());
    }

    template <typename Predicate>
    std::vector<const Row *> where(std::string_view name, Predicate holds) const
    {
        std::vector<const Row *> found;
        std::size_t at = column(name);
        for (const Row &row : rows_)
            if (holds(row[at]))
                found.push_back(&row);
        return found;
    }

    void sort_by(std::string_view name)
    {
        std::size_t at = column(name);
        std::sort(rows_.begin(), rows_.end(), [at](const Row &a, const Row &b) {
            return std::tie(a[at], a[0]) < std::tie(b[at], b[0]);
        });
    }

    std::map<Field, std::pair<std::size_t, std::int64_t>> grouped(std::string_view by, std::string_view sum) const
    {
        std::map<Field, std::pair<std::size_t, std::int64_t>> groups;
        std::size_t key = column(by), value = column(sum);
        for (const Row &row : rows_) {
            auto &group = groups[row[key]];
            group.first++;
            if (auto number = std::get_if<std::int64_t>(&row[value]))
                group.second += *number;
        }
        return groups;
    }

    const std::vector<Row> &rows() const { return rows_; }
    const std::map<std::string, std::vector<std::size_t>> &problems() const { return problems_; }

private:
    std::vector<std::string> names_;
    std::vector<Row> rows_;
    std::map<std::string, std::vector<std::size_t>> problems_;
};

std::ostream &operator<<(std::ostream &out, const Field &field)
{
    if (auto text = std::get_if<std::string>(&field))
        return out << std::quoted(*text);
    if (auto number = std::get_if<std::int64_t>(&field))
        return out << *number;
    return out << "nothing";
}

std::string made_up(int rows, std::uint32_t state)
{
    auto draw = [&state](std::uint32_t below) {
        state = state * 1103515245u + 12345u;
        return (state >> 12) % below;
    };
    const char *cities[] = {"Oslo", "Bergen", "\"Mo, i Rana\"", "Tromso", "\"the \"\"old\"\" town\"", ""};
    std::ostringstream out;
    out << "id,city,amount,note\n";
    for (int i = 0; i < rows; i++) {
        out << i << ',' << cities[draw(6)] << ',' << static_cast<int>(draw(2000)) - 500 << ',';
        if (draw(40) == 0)
            out << "\"open";
        else if (draw(30) == 0)
            out << "one,too,many";
        else
            out << "n" << draw(50);
        out << '\n';
    }
    return out.str();
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: table_cpp ROWS SEED\n";
        return 2;
    }
    std::istringstream input(made_up(std::atoi(argv[1]), static_cast<std::uint32_t>(std::atoi(argv[2]))));
    Table table(input);
    table.sort_by("note");
    table.sort_by("amount");
    std::cout << table.rows().size() << " rows\n";
    for (const auto &[why, lines] : table.problems())
        std::cout << "problem: " << why << ", " << lines.size() << " times, first in line " << lines.front() << '\n';
    for (const auto &[city, group] : table.grouped("city", "amount"))
        std::cout << city << ": " << group.first << " rows, " << group.second << '\n';
    auto rich = table.where("amount", [](const Field &f) { return f > Field(std::int64_t(1400)); });
    std::cout << rich.size() << " rich rows\n";
    if (!rich.empty()) {
        for (const Field &field : *rich.back())
            std::cout << field << ' ';
        std::cout << '\n';
    }
    try {
        table.sort_by("price");
    } catch (const std::out_of_range &error) {
        std::cout << error.what() << '\n';
    }
    return 0;
}
