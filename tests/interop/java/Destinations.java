// Kinds of destinations: temporary, composite, wildcards, virtual topics; and what messages carry.

import java.util.Enumeration;
import javax.jms.BytesMessage;
import javax.jms.DeliveryMode;
import javax.jms.MapMessage;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.ObjectMessage;
import javax.jms.QueueBrowser;
import javax.jms.Session;
import javax.jms.StreamMessage;
import javax.jms.TemporaryQueue;
import javax.jms.TemporaryTopic;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTopic;

final class Destinations {
    static void requestsAreRepliedToOverTemporaryQueues(Lab lab) throws Exception {
        Session serving = lab.auto();
        MessageConsumer requests = serving.createConsumer(lab.queue());
        requests.setMessageListener(request -> {
            try {
                MessageProducer replying = serving.createProducer(request.getJMSReplyTo());
                TextMessage reply = serving.createTextMessage("re: " + Lab.text(request));
                reply.setJMSCorrelationID(request.getJMSMessageID());
                replying.send(reply);
                replying.close();
            } catch (Exception failed) {
                throw new IllegalStateException(failed);
            }
        });
        Session session = lab.auto();
        TemporaryQueue replies = session.createTemporaryQueue();
        MessageConsumer consumer = session.createConsumer(replies);
        MessageProducer producer = session.createProducer(lab.queue());
        for (int i = 0; i < 20; i++) {
            TextMessage request = session.createTextMessage("r" + i);
            request.setJMSReplyTo(replies);
            producer.send(request);
            Message reply = consumer.receive(Lab.SOON);
            Lab.equal("re: r" + i, Lab.text(reply));
            Lab.equal(request.getJMSMessageID(), reply.getJMSCorrelationID());
        }
    }

    static void aTemporaryTopicIsATopic(Lab lab) throws Exception {
        Session session = lab.auto();
        TemporaryTopic topic = session.createTemporaryTopic();
        MessageConsumer one = session.createConsumer(topic);
        MessageConsumer two = session.createConsumer(topic);
        Session other = lab.auto();
        Lab.eventually("the other connection knows it", () -> {
            try {
                Lab.send(other, topic, "t");
                return true;
            } catch (javax.jms.InvalidDestinationException unknown) {
                return false;
            }
        });
        Lab.receives(one, "t");
        Lab.receives(two, "t");
    }

    static void aTemporaryQueueThatIsGoneCannotBeSentTo(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.connect();
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        TemporaryQueue queue = session.createTemporaryQueue();
        Session other = lab.auto();
        Lab.send(other, queue, "a");
        Lab.receives(session.createConsumer(queue), "a");
        connection.close();
        Lab.eventually("the other connection knows that it is gone", () -> {
            try {
                Lab.send(other, queue, "b");
                return false;
            } catch (javax.jms.JMSException gone) {
                // The client has heard of it, or the broker has told it just now.
                return true;
            }
        });
    }

    static void aTemporaryQueueIsDeletedOnceNobodyConsumes(Lab lab) throws Exception {
        Session session = lab.auto();
        TemporaryQueue queue = session.createTemporaryQueue();
        MessageConsumer consumer = session.createConsumer(queue);
        Lab.refused(javax.jms.JMSException.class, queue::delete);
        consumer.close();
        queue.delete();
    }

    static void aCompositeNameGetsACopyEach(Lab lab) throws Exception {
        Session session = lab.auto();
        MessageConsumer a = session.createConsumer(lab.queue("A"));
        MessageConsumer b = session.createConsumer(lab.queue("B"));
        MessageConsumer c = session.createConsumer(lab.topic("C"));
        String names = lab.queue("A").getQueueName() + "," + lab.queue("B").getQueueName() + ",topic://"
                + lab.topic("C").getTopicName();
        Lab.send(session, new ActiveMQQueue(names), "m");
        Lab.receives(a, "m");
        Lab.receives(b, "m");
        Lab.receives(c, "m");
    }

    static void aCompositeConsumerGetsFromEach(Lab lab) throws Exception {
        Session session = lab.auto();
        String names = lab.queue("A").getQueueName() + "," + lab.queue("B").getQueueName();
        MessageConsumer consumer = session.createConsumer(new ActiveMQQueue(names));
        Lab.send(session, lab.queue("A"), "a");
        Lab.receives(consumer, "a");
        Lab.send(session, lab.queue("B"), "b");
        Lab.receives(consumer, "b");
    }

    static void wildcardsOfQueues(Lab lab) throws Exception {
        Session session = lab.auto();
        Lab.send(session, lab.queue("A"), "before");
        MessageConsumer consumer = session.createConsumer(lab.queue("*"));
        Lab.receives(consumer, "before");
        Lab.send(session, lab.queue("B"), "after");
        Lab.receives(consumer, "after");
        Lab.send(session, lab.queue("B.C"), "deeper");
        Lab.nothing(consumer);
        Lab.receives(session.createConsumer(lab.queue(">")), "deeper");
    }

    static void wildcardsOfTopics(Lab lab) throws Exception {
        Session session = lab.auto();
        MessageConsumer star = session.createConsumer(lab.topic("*.X"));
        MessageConsumer rest = session.createConsumer(lab.topic(">"));
        Lab.send(session, lab.topic("A.X"), "a");
        Lab.send(session, lab.topic("A.Y"), "b");
        Lab.receives(star, "a");
        Lab.nothing(star);
        Lab.receives(rest, "a", "b");
    }

    static void aVirtualTopicFeedsItsQueues(Lab lab) throws Exception {
        Session session = lab.auto();
        String topic = "VirtualTopic." + lab.topic().getTopicName();
        MessageConsumer a = session.createConsumer(new ActiveMQQueue("Consumer.A." + topic));
        MessageConsumer b = session.createConsumer(new ActiveMQQueue("Consumer.B." + topic));
        Lab.send(session, new ActiveMQTopic(topic), "1", "2");
        Lab.receives(a, "1", "2");
        Lab.receives(b, "1", "2");
    }

    static void aBrowserSeesAllAndTakesNothing(Lab lab) throws Exception {
        Session session = lab.auto();
        for (int i = 0; i < 50; i++) {
            Lab.send(session, lab.queue(), "m" + i);
        }
        for (int round = 0; round < 2; round++) {
            QueueBrowser browser = session.createBrowser(lab.queue());
            Enumeration<?> messages = browser.getEnumeration();
            int seen = 0;
            while (messages.hasMoreElements()) {
                Lab.equal("m" + seen++, Lab.text((Message) messages.nextElement()));
            }
            Lab.equal(50, seen);
            browser.close();
        }
        QueueBrowser empty = session.createBrowser(lab.queue("empty"));
        Lab.check(!empty.getEnumeration().hasMoreElements(), "there is nothing to see");
        Lab.receives(session.createConsumer(lab.queue()), "m0", "m1");
    }

    static void aBrowserHasASelector(Lab lab) throws Exception {
        Session session = lab.auto();
        MessageProducer producer = session.createProducer(lab.queue());
        for (int i = 0; i < 10; i++) {
            TextMessage message = session.createTextMessage("m" + i);
            message.setIntProperty("n", i);
            producer.send(message);
        }
        QueueBrowser browser = session.createBrowser(lab.queue(), "n > 7");
        Enumeration<?> messages = browser.getEnumeration();
        Lab.equal("m8", Lab.text((Message) messages.nextElement()));
        Lab.equal("m9", Lab.text((Message) messages.nextElement()));
        Lab.check(!messages.hasMoreElements(), "there are two");
    }

    static void bodiesAndHeadersArriveAsTheyWereSent(Lab lab) throws Exception {
        Session session = lab.auto();
        MessageProducer producer = session.createProducer(lab.queue());
        MessageConsumer consumer = session.createConsumer(lab.queue());
        TextMessage text = session.createTextMessage("x".repeat(300_000));
        text.setJMSType("type");
        text.setJMSCorrelationID("correlation");
        text.setJMSReplyTo(lab.topic());
        text.setStringProperty("p", "\u20ac");
        producer.send(text, DeliveryMode.NON_PERSISTENT, 7, 600_000);
        TextMessage gotText = (TextMessage) consumer.receive(Lab.SOON);
        Lab.equal(text.getText(), gotText.getText());
        Lab.equal("type", gotText.getJMSType());
        Lab.equal("correlation", gotText.getJMSCorrelationID());
        Lab.equal(lab.topic(), gotText.getJMSReplyTo());
        Lab.equal("\u20ac", gotText.getStringProperty("p"));
        Lab.equal(7, gotText.getJMSPriority());
        Lab.equal(DeliveryMode.NON_PERSISTENT, gotText.getJMSDeliveryMode());
        Lab.equal(text.getJMSMessageID(), gotText.getJMSMessageID());
        Lab.equal(lab.queue(), gotText.getJMSDestination());
        MapMessage map = session.createMapMessage();
        map.setInt("i", 5);
        producer.send(map);
        Lab.equal(5, ((MapMessage) consumer.receive(Lab.SOON)).getInt("i"));
        BytesMessage bytes = session.createBytesMessage();
        bytes.writeLong(99);
        producer.send(bytes);
        Lab.equal(99L, ((BytesMessage) consumer.receive(Lab.SOON)).readLong());
        StreamMessage stream = session.createStreamMessage();
        stream.writeString("s");
        producer.send(stream);
        Lab.equal("s", ((StreamMessage) consumer.receive(Lab.SOON)).readString());
        producer.send(session.createObjectMessage("o"));
        Lab.equal("o", ((ObjectMessage) consumer.receive(Lab.SOON)).getObject());
    }

    static void aDestinationIsDestroyed(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.connect();
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        Lab.send(session, lab.queue(), "a");
        connection.destroyDestination((ActiveMQQueue) lab.queue());
        Lab.nothing(session.createConsumer(lab.queue()));
    }

    private Destinations() {}
}
