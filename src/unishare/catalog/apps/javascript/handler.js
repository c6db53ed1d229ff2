// Adds up an order.
export default function handle(request) {
    const { items } = request.json();
    const total = items.reduce((sum, { price, count }) => sum + price * count, 0);
    return { items: items.length, total };
}
