// What is refused, and as which exception.

import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.command.ActiveMQTempQueue;

final class Refusing {
    static void aClientIdInUse(Lab lab) throws Exception {
        lab.named("in-use");
        Lab.refused(javax.jms.InvalidClientIDException.class, () -> lab.named("in-use"));
        Session session = lab.auto();
        Lab.send(session, lab.queue(), "others go on");
    }

    static void aSelectorThatCannotBeRead(Lab lab) throws Exception {
        Session session = lab.auto();
        Lab.refused(javax.jms.InvalidSelectorException.class,
                () -> session.createConsumer(lab.queue(), "a = = b"));
    }

    static void aDurableSubscriptionInUse(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.named("durable-in-use");
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        session.createDurableSubscriber(lab.topic(), "s");
        Lab.refused(javax.jms.JMSException.class, () -> session.createDurableSubscriber(lab.topic(), "s"));
    }

    static void aTemporaryQueueOfNobody(Lab lab) throws Exception {
        Session session = lab.connect("jms.watchTopicAdvisories=false")
                .createSession(false, Session.AUTO_ACKNOWLEDGE);
        Lab.refused(javax.jms.JMSException.class,
                () -> Lab.send(session, new ActiveMQTempQueue("ID:nobody:1:1"), "a"));
    }

    private Refusing() {}
}
