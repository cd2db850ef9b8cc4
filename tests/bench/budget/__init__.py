"""What the API's requests buy: scenarios on a real Kafka, and the bars they are held against. See ../README.md."""
