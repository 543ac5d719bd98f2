// Every way to acknowledge, and what comes again.

import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQMessageConsumer;
import org.apache.activemq.ActiveMQSession;

final class Acknowledging {
    static void autoConsumesEach(Lab lab) throws Exception {
        Session session = lab.auto();
        Lab.send(session, lab.queue(), "a", "b", "c");
        MessageConsumer consumer = session.createConsumer(lab.queue());
        Lab.receives(consumer, "a", "b");
        consumer.close();
        Lab.receives(session.createConsumer(lab.queue()), "c");
        Lab.nothing(lab.auto().createConsumer(lab.queue()));
    }

    static void clientConsumesAllSoFar(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.connect();
        Session session = connection.createSession(false, Session.CLIENT_ACKNOWLEDGE);
        Lab.send(session, lab.queue(), "a", "b", "c");
        MessageConsumer consumer = session.createConsumer(lab.queue());
        Lab.receives(consumer, "a");
        consumer.receive(Lab.SOON).acknowledge();
        Lab.receives(consumer, "c");
        connection.close();
        MessageConsumer again = lab.auto().createConsumer(lab.queue());
        Message message = again.receive(Lab.SOON);
        Lab.equal("c", Lab.text(message));
        Lab.check(message.getJMSRedelivered(), "it says that it came before");
        Lab.nothing(again);
    }

    static void clientConsumesMoreThanItsPrefetch(Lab lab) throws Exception {
        Session producing = lab.auto();
        for (int i = 0; i < 100; i++) {
            Lab.send(producing, lab.queue(), "m" + i);
        }
        Session session = lab.connect("jms.prefetchPolicy.all=10")
                .createSession(false, Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(lab.queue());
        Message last = null;
        for (int i = 0; i < 100; i++) {
            last = consumer.receive(Lab.SOON);
            Lab.equal("m" + i, Lab.text(last));
        }
        last.acknowledge();
        session.close();
        Lab.nothing(lab.auto().createConsumer(lab.queue()));
    }

    static void dupsOkConsumesAll(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.connect();
        Session session = connection.createSession(false, Session.DUPS_OK_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(lab.queue());
        for (int i = 0; i < 200; i++) {
            Lab.send(session, lab.queue(), "m" + i);
            Lab.equal("m" + i, Lab.receive(consumer));
        }
        session.close();
        Lab.nothing(lab.auto().createConsumer(lab.queue()));
    }

    static void individualConsumesOne(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.connect();
        Session session = connection.createSession(false, ActiveMQSession.INDIVIDUAL_ACKNOWLEDGE);
        Lab.send(session, lab.queue(), "a", "b", "c");
        MessageConsumer consumer = session.createConsumer(lab.queue());
        Message first = consumer.receive(Lab.SOON);
        consumer.receive(Lab.SOON).acknowledge();
        Lab.equal("c", Lab.receive(consumer));
        connection.close();
        Lab.equal("a", Lab.text(first));
        Lab.receives(lab.auto().createConsumer(lab.queue()), "a", "c");
    }

    static void optimizedAcknowledgesLate(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.connect("jms.optimizeAcknowledge=true");
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(lab.queue());
        for (int i = 0; i < 50; i++) {
            Lab.send(session, lab.queue(), "m" + i);
            Lab.equal("m" + i, Lab.receive(consumer));
        }
        connection.close();
        Lab.nothing(lab.auto().createConsumer(lab.queue()));
    }

    static void recoverDeliversAgain(Lab lab) throws Exception {
        Session session = lab.connect().createSession(false, Session.CLIENT_ACKNOWLEDGE);
        Lab.send(session, lab.queue(), "a");
        MessageConsumer consumer = session.createConsumer(lab.queue());
        Lab.check(!consumer.receive(Lab.SOON).getJMSRedelivered(), "it is new");
        session.recover();
        Message again = consumer.receive(Lab.SOON);
        Lab.check(again.getJMSRedelivered(), "it came before");
        again.acknowledge();
        session.close();
        Lab.nothing(lab.auto().createConsumer(lab.queue()));
    }

    static void whatWasPrefetchedAndNotDeliveredComesAgainAsNew(Lab lab) throws Exception {
        Session session = lab.auto();
        MessageConsumer consumer = session.createConsumer(lab.queue());
        Lab.send(session, lab.queue(), "a", "b");
        Lab.receives(consumer, "a");
        int buffered = ((ActiveMQMessageConsumer) consumer).getMessageSize();
        Lab.check(buffered <= 1, "there is one left at most");
        consumer.close();
        Message message = lab.auto().createConsumer(lab.queue()).receive(Lab.SOON);
        Lab.equal("b", Lab.text(message));
        Lab.check(!message.getJMSRedelivered(), "nobody has seen it");
    }

    static void tooManyDeliveriesMakeADeadLetter(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.connect("jms.redeliveryPolicy.maximumRedeliveries=2"
                + "&jms.redeliveryPolicy.initialRedeliveryDelay=0&jms.redeliveryPolicy.redeliveryDelay=0");
        Session session = connection.createSession(true, Session.SESSION_TRANSACTED);
        Lab.send(session, lab.queue(), "poison");
        session.commit();
        MessageConsumer consumer = session.createConsumer(lab.queue());
        for (int i = 0; i < 3; i++) {
            Message message = consumer.receive(Lab.SOON);
            Lab.equal("poison", Lab.text(message));
            Lab.equal(i + 1, message.getIntProperty("JMSXDeliveryCount"));
            session.rollback();
        }
        Lab.nothing(consumer);
        session.commit();
        MessageConsumer dead = lab.auto().createConsumer(new org.apache.activemq.command.ActiveMQQueue("ActiveMQ.DLQ"));
        Message letter = dead.receive(Lab.SOON);
        Lab.equal("poison", Lab.text(letter));
        Lab.check(letter.getStringProperty("dlqDeliveryFailureCause") != null, "it says why");
        Lab.equal(lab.queue(), ((org.apache.activemq.command.ActiveMQMessage) letter).getOriginalDestination());
    }

    private Acknowledging() {}
}
