/** Where Kafka is: host:port, several with commas. */
export const brokers = (process.env.KAFKA_BROKER ?? 'localhost:9092').split(',');
