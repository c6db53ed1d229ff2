// Adds up an order.
function handle(request) {
    var items = JSON.parse(request).items;
    var total = items.reduce(function (sum, item) { return sum + item.price * item.count; }, 0);
    return JSON.stringify({ total: total, items: items.length });
}
