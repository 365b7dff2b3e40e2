-- What was charged for the goods, less discounts, contained tax and cancellations, is the revenue of the lines. An order
-- whose goods are worth nothing has nothing to share a discount over.
select order_id, gross_amount, net_revenue_amount
from {{ ref('fct_orders') }}
where gross_amount > line_discount_amount
    and gross_amount - line_discount_amount - discount_amount - included_tax_amount - cancelled_amount
        != net_revenue_amount
